"""The embedded server under kill -9, of it and of its users."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tacita.store.errors import StoreUnavailable
from tacita.store.postgres import EmbeddedPostgres
from tacita.store.postgres_user import server_user
from tacita.store.postmaster import find_postmaster, pid_file

_HOLD = """
import sys
from pathlib import Path
from tacita.store.postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), durable=False):
    print("up", flush=True)
    sys.stdin.read()
"""


def _own(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder, durable=False)


@contextmanager
def _holder(folder: Path, *, wait: bool = True) -> "Iterator[subprocess.Popen[bytes]]":
    """Another process that holds a share of the server until its stdin closes."""
    command = [sys.executable, "-c", _HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if wait:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
        yield process
        process.kill()


def _leave(process: "subprocess.Popen[bytes]") -> None:
    process.communicate(timeout=30)
    assert process.returncode == 0


def _pid(folder: Path) -> int:
    found = find_postmaster(folder.resolve() / "data")
    assert found is not None
    return found.pid


def _kill_server(folder: Path) -> None:
    os.kill(_pid(folder), signal.SIGKILL)
    while find_postmaster(folder / "data") is not None:
        time.sleep(0.01)


def _one(dsn: str, query: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row and row[0]


def test_first_use_makes_a_utf8_database_reachable_by_its_dsn(server_folder: Path) -> None:
    with _own(server_folder) as server:
        encoding = _one(server.dsn, "SELECT current_user || current_database() || current_setting('server_encoding')")

    assert encoding == "tacitatacitaUTF8"


def test_nothing_listens_on_the_network(postgres: EmbeddedPostgres) -> None:
    assert _one(postgres.dsn, "SELECT current_setting('listen_addresses')") == ""


def test_the_socket_is_out_of_reach_for_other_users(postgres: EmbeddedPostgres) -> None:
    assert postgres.socket_folder.stat().st_mode & 0o077 == 0


def test_a_deployment_is_durable_by_default(server_folder: Path) -> None:
    with EmbeddedPostgres(server_folder) as server:
        fsync = _one(server.dsn, "SELECT current_setting('fsync') || current_setting('synchronous_commit')")

    assert fsync == "onon"


def test_what_was_committed_is_there_after_a_restart(server_folder: Path) -> None:
    with _own(server_folder) as server, psycopg.connect(server.dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")

    with _own(server_folder) as server:
        assert _one(server.dsn, "SELECT seven FROM kept") == 7


def test_leaving_stops_the_server_and_takes_its_socket_folder_away(server_folder: Path) -> None:
    with _own(server_folder) as server:
        pass

    assert find_postmaster(server.data) is None
    assert not server.socket_folder.exists()


def test_a_server_killed_under_us_is_started_again_with_its_data(server_folder: Path) -> None:
    with _own(server_folder) as server:
        with psycopg.connect(server.dsn) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
        _kill_server(server_folder)

        restarted = server.ensure_running()

        assert restarted
        assert _one(server.dsn, "SELECT seven FROM kept") == 7


def test_a_server_that_runs_is_left_alone(server_folder: Path) -> None:
    with _own(server_folder) as server:
        before = _pid(server_folder)

        restarted = server.ensure_running()

        assert not restarted
        assert _pid(server_folder) == before


def test_the_server_of_a_killed_process_is_adopted_and_stopped(server_folder: Path) -> None:
    with _holder(server_folder) as holder:
        before = _pid(server_folder)
        holder.kill()
        holder.wait()

        with _own(server_folder) as server:
            assert _pid(server_folder) == before
            assert _one(server.dsn, "SELECT 1") == 1

    assert find_postmaster(server.data) is None


def test_a_pid_file_left_over_by_kill_9_is_no_hindrance(server_folder: Path) -> None:
    with _holder(server_folder) as holder:
        holder.kill()
        holder.wait()
    _kill_server(server_folder)
    assert pid_file(server_folder / "data").exists()

    with _own(server_folder) as server:
        assert _one(server.dsn, "SELECT 1") == 1


def test_a_left_over_pid_that_a_foreign_process_got_is_no_hindrance(server_folder: Path) -> None:
    with _holder(server_folder) as holder:
        holder.kill()
        holder.wait()
    _kill_server(server_folder)
    file = pid_file(server_folder / "data")
    user = server_user(server_folder / "data")
    with subprocess.Popen(["sleep", "60"], user=None if user.is_caller else user.uid) as foreign:
        file.write_text("\n".join([str(foreign.pid), *file.read_text().splitlines()[1:]]) + "\n")

        with _own(server_folder) as server:
            assert _one(server.dsn, "SELECT 1") == 1

        assert foreign.poll() is None
        foreign.kill()


def test_an_initdb_killed_in_its_middle_is_done_again(server_folder: Path) -> None:
    with _holder(server_folder, wait=False) as holder:
        while not list(server_folder.glob("data.*.partial/global")):
            time.sleep(0.001)
        holder.kill()
        holder.wait()

    with _own(server_folder) as server:
        assert _one(server.dsn, "SELECT 1") == 1


def test_the_last_one_out_stops_it_whoever_started_it(server_folder: Path) -> None:
    with _holder(server_folder) as starter:
        with _own(server_folder) as server:
            before = _pid(server_folder)
            _leave(starter)
            assert _pid(server_folder) == before
            assert _one(server.dsn, "SELECT 1") == 1

        assert find_postmaster(server.data) is None


def test_leaving_before_others_leaves_it_running(server_folder: Path) -> None:
    with _own(server_folder):
        before = _pid(server_folder)
        other = _own(server_folder)
        other.__enter__()

    assert _pid(server_folder) == before
    other.__exit__(None, None, None)
    assert find_postmaster(other.data) is None


def test_two_processes_that_start_at_once_share_one_server(server_folder: Path) -> None:
    with _holder(server_folder, wait=False) as first, _holder(server_folder, wait=False) as second:
        for process in (first, second):
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"

        assert _pid(server_folder) > 0
        _leave(first)
        _leave(second)


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(server_folder: Path) -> None:
    with _own(server_folder):
        assert os.getpgid(_pid(server_folder)) != os.getpgid(0)


def test_a_server_that_does_not_start_is_an_error_that_names_the_log(server_folder: Path) -> None:
    with _own(server_folder) as server:
        pass
    (server.data / "PG_VERSION").write_text("9.6\n")

    with pytest.raises(StoreUnavailable, match=r"incompatible.*postgres\.log"), server:
        pass

    server.socket_folder.rmdir()


def test_a_socket_folder_that_others_may_enter_is_refused(server_folder: Path) -> None:
    server = _own(server_folder)
    server.socket_folder.mkdir(mode=0o755)
    server.socket_folder.chmod(0o755)

    with pytest.raises(StoreUnavailable, match="remove it"), server:
        pass

    server.socket_folder.rmdir()


def test_the_log_holds_no_rows(server_folder: Path) -> None:
    with _own(server_folder) as server, psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE single (name text PRIMARY KEY)")
        connection.execute("INSERT INTO single VALUES ('a-device-name')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO single VALUES ('a-device-name')")

    assert "a-device-name" not in server.log.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another user")
def test_root_runs_it_as_an_unprivileged_user_below_a_closed_folder(server_folder: Path) -> None:
    server_folder.mkdir(mode=0o700)

    with _own(server_folder):
        status = Path(f"/proc/{_pid(server_folder)}/status").read_text().splitlines()

    uids = next(line.split()[1:] for line in status if line.startswith("Uid:"))
    assert "0" not in uids


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another user")
def test_an_unknown_server_user_is_an_error(server_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACITA_POSTGRES_USER", "nobody-of-that-name")

    with pytest.raises(StoreUnavailable, match="TACITA_POSTGRES_USER"), _own(server_folder):
        pass


def _child_of(postmaster: int, title: bytes) -> int:
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return next(int(pid) for pid in children if title in Path(f"/proc/{pid}/cmdline").read_bytes())


@pytest.mark.parametrize("title", [b"walwriter", b"checkpointer"])
def test_a_killed_servers_process_that_never_notices_does_not_keep_the_next_one_from_starting(
    server_folder: Path, title: bytes
) -> None:
    # Found by a siege: a process waited for a lock that was held by a session which had been killed with the server.
    with _own(server_folder) as server:
        stuck = _child_of(_pid(server_folder), title)
        os.kill(stuck, signal.SIGSTOP)
        _kill_server(server_folder)

        assert server.ensure_running()

        with psycopg.connect(server.dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert not Path(f"/proc/{stuck}/cmdline").exists() or not Path(f"/proc/{stuck}/cmdline").read_bytes()
