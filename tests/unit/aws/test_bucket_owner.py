"""Each call to S3 on AWS names the account that must own the bucket, except those about link buckets."""

import ast
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HTTPHeaders
from urllib3 import HTTPResponse

from cloudkon.aws import Connection
from cloudkon.aws.control_plane import ControlPlane
from cloudkon.aws.store import S3Store
from cloudkon.errors import AccessDenied, InvalidSetting, ObjectMissing
from cloudkon.settings import Settings
from fleet import data_deletion

OWNER = "123456789012"
SETTINGS = Settings(target="aws", region="eu-north-1", bucket="store", bucket_owner=OWNER, link_buckets=("pictures",))
HEADER = "x-amz-expected-bucket-owner"
PART_BYTES = 8 * 1024 * 1024
ROOT = Path(__file__).parents[3]
ANSWERS = {
    "ListObjectsV2": "<ListBucketResult/>",
    "ListObjectVersions": "<R><Version><Key>a</Key><VersionId>null</VersionId></Version></R>",
    "DeleteObjects": "<DeleteResult/>",
    "CreateMultipartUpload": "<R><UploadId>1</UploadId></R>",
    "CompleteMultipartUpload": "<R/>",
}


class Wire:
    """Answers a client's requests in the place of S3, and keeps the owner that each named, by its operation."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401  (boto3 makes its clients' classes at run time)
        self.owners: list[tuple[str, str]] = []
        self.status = 200
        self.missing: set[str] = set()
        client.meta.events.register("before-send.s3", self._answer)

    def _answer(self, request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        owner: Any = request.headers.get(HEADER, b"")
        self.owners.append((operation, owner.decode()))
        status = 404 if operation in self.missing else self.status
        body = "" if request.method == "HEAD" else ANSWERS.get(operation, "")
        if status == 403 and request.method != "HEAD":
            body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        if operation == "ListObjectVersions" and "DeleteObjects" in dict(self.owners):
            body = "<R/>"
        headers = HTTPHeaders()
        headers["ETag"], headers["Content-Length"] = '"e"', str(len(body))
        raw = HTTPResponse(io.BytesIO(body.encode()), preload_content=False)
        return AWSResponse(request.url, status, headers, raw)

    def unnamed(self) -> list[str]:
        """The operations that did not name the owner."""
        return [operation for operation, owner in self.owners if owner != OWNER]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def connection() -> Connection:
    return Connection(SETTINGS)


@pytest.fixture
def wire(connection: Connection) -> Wire:
    return Wire(connection.client("s3"))


async def every_call(connection: Connection, wire: Wire, directory: Path) -> AsyncIterator[str]:
    """Make each call that the programs make about the store; yield after each part."""
    store = S3Store(connection, "store")
    (directory / "small").write_bytes(b"x")
    (directory / "large").write_bytes(bytes(PART_BYTES + 1))
    await data_deletion._empty(ControlPlane(connection), "store")
    yield "empty"
    await store.put("a", b"x", "video/mp4", {})
    await store.put("a", directory / "small", "video/mp4", {})
    yield "put"
    await store.put("a", directory / "large", "video/mp4", {})
    yield "put in parts"
    await store.get("s3://store/a", directory / "got")
    assert [one async for one in store.list("a")] == []
    await store.delete(["a"])
    yield "get, list, delete"
    wire.missing = {"HeadObject"}
    with pytest.raises(ObjectMissing):
        await store.head("s3://store/a")
    yield "missing"


async def test_each_call_about_the_store_names_its_owner(connection: Connection, wire: Wire, tmp_path: Path) -> None:
    async for part in every_call(connection, wire, tmp_path):
        assert wire.owners, part
        assert wire.unnamed() == [], part


async def test_all_operations_that_the_programs_call_are_held(
    connection: Connection, wire: Wire, tmp_path: Path
) -> None:
    async for _ in every_call(connection, wire, tmp_path):
        pass
    held = {xform_name(operation) for operation, _ in wire.owners}
    assert called_operations(connection.client("s3")) <= held | {"upload_fileobj"}


def called_operations(client: object) -> set[str]:
    """Return all names of methods of an S3 client that the programs' sources call, or pass as a text."""
    found = set()
    for folder in ("cloudkon", "client", "fleet", "images"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if "s3" not in text.lower():
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "s3":
                    found.add(node.attr)
                if isinstance(node, ast.Call) and len(node.args) > 1 and _text(node.args[0]) == "s3":
                    found.add(_text(node.args[1]))
    return {name for name in found if hasattr(client, name)} - {"get_paginator"} | {"list_objects_v2"}


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


async def test_link_bucket_may_be_anybodys(connection: Connection, wire: Wire, tmp_path: Path) -> None:
    store = S3Store(connection, "store")
    await store.get("s3://pictures/one.jpg", tmp_path / "one")
    wire.missing = {"HeadObject"}
    with pytest.raises(ObjectMissing):
        await store.head("s3://pictures/one.jpg")
    assert wire.owners == [("GetObject", ""), ("HeadObject", ""), ("HeadBucket", "")]


async def test_bucket_that_is_no_link_bucket_must_be_ours(connection: Connection, wire: Wire, tmp_path: Path) -> None:
    await S3Store(connection, "store").get("s3://elsewhere/one", tmp_path / "one")
    assert wire.owners == [("GetObject", OWNER)]


async def test_owner_is_the_credentials_account_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(Settings(target="aws", region="eu-north-1", bucket="store"))
    sts: Any = connection.client("sts")
    asked: list[int] = []

    def identity() -> dict[str, str]:
        asked.append(1)
        return {"Account": OWNER}

    monkeypatch.setattr(sts, "get_caller_identity", identity)
    wire = Wire(connection.client("s3"))
    store = S3Store(connection, "store")
    await store.put("a", b"x", "video/mp4", {})
    await store.put("b", b"x", "video/mp4", {})
    assert wire.owners == [("PutObject", OWNER)] * 2
    assert len(asked) == 1


async def test_emulators_get_no_owner() -> None:
    connection = Connection(Settings(target="docker", endpoint_url="http://127.0.0.1:9"))
    wire = Wire(connection.client("s3"))
    await S3Store(connection, "store").put("a", b"x", "video/mp4", {})
    assert wire.owners == [("PutObject", "")]


@pytest.mark.parametrize("method", ["put", "get", "head", "list", "delete"])
async def test_refusal_names_both_reasons_and_the_remedy(
    connection: Connection, wire: Wire, tmp_path: Path, method: str
) -> None:
    store = S3Store(connection, "store")
    wire.status = 403
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "put": lambda: store.put("a", b"x", "video/mp4", {}),
        "get": lambda: store.get("s3://store/a", tmp_path / "got"),
        "head": lambda: store.head("s3://store/a"),
        "list": lambda: anext(aiter(store.list("a"))),
        "delete": lambda: store.delete(["a"]),
    }
    with pytest.raises(AccessDenied) as refused:
        await calls[method]()
    text = str(refused.value)
    assert f"no permission for bucket store, or account {OWNER} does not own it" in text
    assert "CLOUDKON_BUCKET_OWNER" in text
    assert "\n" not in text
    assert refused.value.exit_code == 1


async def test_emptying_a_foreign_bucket_is_refused_with_the_reason(connection: Connection, wire: Wire) -> None:
    wire.status = 403
    with pytest.raises(AccessDenied, match="account 123456789012 does not own it"):
        await data_deletion._empty(ControlPlane(connection), "store")


async def test_operation_without_the_condition_fails_at_once(connection: Connection, wire: Wire) -> None:
    with pytest.raises(TypeError, match="CreateBucket"):
        connection.client("s3").create_bucket(Bucket="store")
    assert wire.owners == []


@pytest.mark.parametrize("text", ["12345678901", "1234567890123", "a23456789012"])
def test_owner_that_is_no_account_number_is_an_invalid_setting(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"CLOUDKON_BUCKET_OWNER.*twelve digits"):
        Settings.from_environment({"CLOUDKON_BUCKET_OWNER": text})
