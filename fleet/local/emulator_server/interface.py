"""Names what those who start the server, or ask it, must know: its environment variables and its own paths."""

from typing import Final

PORT: Final = "GATEWAY_PORT"
HOST: Final = "BIND_HOST"
STATE_DIR: Final = "STATE_DIR"
OBJECTS_DIR: Final = "S3_DATA_DIR"
SCRATCH_DIR: Final = "TMPDIR"
"""The emulator's own variables. In STATE_DIR the server puts the snapshot that the emulator reads at its start."""
SNAPSHOTS: Final = "CLOUDKON_EMULATOR_SNAPSHOTS"
"""Environment variable: the directory of the snapshots; empty to keep the state in memory only."""
LISTENER: Final = "CLOUDKON_EMULATOR_LISTENER"
"""Environment variable: the inherited descriptor of a socket that listens on HOST and PORT; empty to make one."""
SECRET: Final = "CLOUDKON_EMULATOR_SECRET"  # noqa: S105  (a variable's name)
"""Environment variable: the secret that requests are signed with."""
SERVICES: Final = ("sqs", "dynamodb", "s3", "cloudformation")
"""The services of a fleet, by the emulator's names."""
HEALTH_PATH: Final = "/_ministack/health"
"""Answered without a signature, and without asking the emulator: it says that the server runs, and nothing else."""
PROOF_PATH: Final = "/_cloudkon/proof"
"""Answered without a signature: ``?nonce=…`` is answered with the proof that the server knows the secret."""
SAVE_PATH: Final = "/_cloudkon/save"
"""Saves the state now; the answer says whether that succeeded."""
ORDERLY: Final = "orderly"
"""A file in a snapshot that was made when no more requests came. The next start removes it: from then on, something may
have happened since."""
