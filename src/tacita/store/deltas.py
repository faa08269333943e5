"""Table `deltas`: which signed deltas lead to a model, and from which."""

from dataclasses import dataclass

from tacita.store.connection import Connection


@dataclass(frozen=True)
class Delta:
    """One delta. `sha256` names its blob; `size_bytes` is the blob's length."""

    version: str
    base_version: str
    sha256: str
    size_bytes: int

    @property
    def target_name(self) -> str:
        """Its name as a TUF target."""
        return f"{self.version}.from.{self.base_version}.delta"


async def add(connection: Connection, delta: Delta) -> None:
    """Insert a delta; the same again changes nothing (a repeated step)."""
    await connection.execute(
        "INSERT INTO deltas (version, base_version, sha256, size_bytes) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [delta.version, delta.base_version, delta.sha256, delta.size_bytes],
    )


async def find(connection: Connection, version: str, base_version: str) -> Delta | None:
    """Return the delta from one version to another, or None."""
    cursor = await connection.execute(
        "SELECT version, base_version, sha256, size_bytes FROM deltas WHERE version = %s AND base_version = %s",
        [version, base_version],
    )
    row = await cursor.fetchone()
    return None if row is None else Delta(*row)


async def everything(connection: Connection) -> list[Delta]:
    """Return all deltas."""
    cursor = await connection.execute("SELECT version, base_version, sha256, size_bytes FROM deltas")
    return [Delta(*row) for row in await cursor.fetchall()]
