"""The secrets of one stack: made once, kept in one file only its owner can read."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from stack import StackError

ADMIN = "admin"


@dataclass(frozen=True)
class Credentials:
    """Letters, digits, - and _ only, but for the Fernet key: they go into URLs and files unquoted."""

    admin: str
    postgres: str
    airflow: str
    market_owner: str
    market_loader: str
    market_reader: str
    fernet_key: str
    jwt_secret: str
    api_secret_key: str

    @classmethod
    def generate(cls) -> "Credentials":
        made = {field.name: secrets.token_urlsafe(24) for field in fields(cls)}
        made["admin"] = secrets.token_hex(8)  # somebody may have to type it
        made["jwt_secret"] = secrets.token_urlsafe(64)  # HS512 wants 64 bytes
        made["fernet_key"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        return cls(**made)


def write_private(path: Path, text: str, owner: tuple[int, int] | None = None) -> None:
    """Writes a file nobody else can read at any moment, in one step: half a secrets file is worse than none.

    owner: user and group it is for, where root writes it for another. They are set on the open file: in a folder
    of theirs something else may lie under its name by then.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w") as out:
            if owner:
                os.fchown(descriptor, *owner)
            out.write(text)
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def load(home: Path) -> Credentials:
    """The credentials of a stack that was started before. Raises StackError when there are none that can be used."""
    path = home / "secrets.json"
    try:
        return Credentials(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise StackError(f"There are no secrets at {path}: this stack was never started.") from None
    except PermissionError:
        raise StackError(
            f"{path} can't be read: it belongs to another user. Run this as the one who started it."
        ) from None
    except (ValueError, TypeError) as error:
        raise StackError(
            f"{path} is damaged ({error}). The database only opens with these passwords: restore it, or start over by "
            f"removing {home}."
        ) from None


def load_or_make(home: Path) -> Credentials:
    """The credentials of a stack, made at its first start."""
    path = home / "secrets.json"
    if not path.exists():
        if (home / "postgres" / "PG_VERSION").exists():
            raise StackError(
                f"{home} holds a database but not the passwords that open it ({path} is gone). Restore the file, or "
                f"start over by removing {home}."
            )
        _save(home, Credentials.generate())
    return load(home)


def share_with_postgres(home: Path, password: Path, adopt: bool = False) -> Credentials:
    """The credentials of a stack whose Postgres reads the superuser's password from a file, in a container.

    Where the file is all that is left of the credentials it is the last copy of a password that may open a database:
    it is kept. adopt makes the other secrets anew around it. Raises StackError otherwise.
    """
    left = password.read_text().strip() if password.exists() else ""
    if left and not (home / "secrets.json").exists():
        if not adopt:
            raise StackError(
                f"The volume `state` is new ({home} has no secrets.json), but {password} still holds the password of "
                "an earlier database, which is not overwritten. Restore the volume `state` from a backup. Without one, "
                "make the other secrets anew around that password: docker compose run --rm secrets secrets --adopt, "
                "then start with the same FROM as the first time (what was saved in Airflow's UI with a password has "
                "to be entered again). To start over without the data: docker compose down --volumes."
            )
        _save(home, replace(Credentials.generate(), postgres=left))
    credentials = load_or_make(home)
    write_private(password, credentials.postgres)
    return credentials


def _save(home: Path, credentials: Credentials) -> None:
    write_private(home / "secrets.json", json.dumps(asdict(credentials), indent=1) + "\n")
