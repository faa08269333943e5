"""Which user the embedded PostgreSQL runs as: it refuses root, so root hands it to an unprivileged user."""

import os
import pwd
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tacita.store.errors import StoreUnavailable

USER_VARIABLE = "TACITA_POSTGRES_USER"
_DEFAULT_USER = "nobody"
_EXECUTE_FOR_OTHERS = 0o001
_CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}  # name -> bit, linux/capability.h; the weaker first


@dataclass(frozen=True)
class ServerUser:
    """The user that owns the data folder and runs the server."""

    uid: int
    gid: int

    @property
    def is_caller(self) -> bool:
        """Whether that is who we are, so that nothing has to be changed."""
        return self.uid == os.geteuid()

    def command(self, arguments: list[str], paths: Iterable[Path]) -> list[str]:
        """Return `arguments`, made to run as this user, who needs to reach `paths`.

        Raises:
            StoreUnavailable: `setpriv` isn't installed, or we lack the right to let this user reach a path.
        """
        if self.is_caller:
            return arguments
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise StoreUnavailable(
                f"root needs setpriv to run PostgreSQL as uid {self.uid}: install util-linux,"
                " run tacita as an ordinary user, or set TACITA_DATABASE_URL"
            )
        dropped = [setpriv, f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--no-new-privs"]
        return [*dropped, *_kept(not all(map(_reachable, paths))), "--", *arguments]

    def own(self, folder: Path) -> None:
        """Give `folder` and all below it to this user, following no links."""
        for root, folders, files in os.walk(folder):
            for name in (root, *(os.path.join(root, entry) for entry in (*folders, *files))):  # noqa: PTH118 - a hot loop over names
                os.chown(name, self.uid, self.gid, follow_symlinks=False)


def server_user(data: Path) -> ServerUser:
    """Return who runs the server on `data`.

    An ordinary user runs it themselves. Root runs it as the owner of an existing data folder, else as the user that
    `TACITA_POSTGRES_USER` names, else as nobody.

    Raises:
        StoreUnavailable: `TACITA_POSTGRES_USER` names root or nobody known.
    """
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid())
    if data.is_dir() and data.stat().st_uid != 0:
        return ServerUser(data.stat().st_uid, data.stat().st_gid)
    name = os.environ.get(USER_VARIABLE, _DEFAULT_USER)
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise StoreUnavailable(f"there is no user {name!r}: set {USER_VARIABLE} to an unprivileged user") from None
    if entry.pw_uid == 0:
        raise StoreUnavailable(f"PostgreSQL refuses to run as root: set {USER_VARIABLE} to an unprivileged user")
    return ServerUser(entry.pw_uid, entry.pw_gid)


def _reachable(path: Path) -> bool:
    """Tell whether anybody may go through every folder above `path`."""
    return all(parent.stat().st_mode & _EXECUTE_FOR_OTHERS for parent in path.parents)


def _kept(needed: bool) -> list[str]:
    """Return setpriv's options that drop every capability, but if `needed` the one to pass through closed folders.

    A deployment or a virtual environment below /root or a test's 0700 folder is out of an unprivileged user's reach.
    CAP_DAC_READ_SEARCH lets the server through (it grants no write); where a container lacks it, CAP_DAC_OVERRIDE
    does. `no_setuid_fixup` makes access(2), with which PostgreSQL looks for its own binary, respect the capability.
    """
    if not needed:
        return ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]
    held = int(Path("/proc/self/status").read_text().partition("CapEff:")[2].split()[0], 16)
    name = next((name for name, bit in _CAPABILITIES.items() if held >> bit & 1), None)
    if name is None:
        raise StoreUnavailable(
            "PostgreSQL's user can't reach the deployment or the binaries, and this container's root may not help it:"
            " move both out of closed folders, or set TACITA_DATABASE_URL"
        )
    sets = [f"--{option}=-all,+{name}" for option in ("inh-caps", "ambient-caps", "bounding-set")]
    return ["--securebits=+no_setuid_fixup", *sets]
