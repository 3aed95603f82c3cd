"""A web page that tries everything that a browser lets it do gets nothing done by a local fleet's emulator."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
import trio

from cloudkon.aws import connect
from cloudkon.settings import Settings
from tests.browser.chromium import Chromium
from tests.support.emulator import deploy, emulator
from tests.support.web import Web

MESSAGE = '{"v": 1, "run": "theirs", "chunk": 0, "shards": 1, "first": 0, "tasks": ["exec touch /tmp/theirs"]}'
ATTACK = """
    const [endpoint, form, functionCode] = given;
    const outcomes = [];
    const attempt = async (name, path, options) => {
        try {
            const answer = await fetch(endpoint + path, options);
            outcomes.push([name, answer.type, answer.type === "opaque" ? "" : await answer.text()]);
        } catch (error) {
            outcomes.push([name, "failed", ""]);
        }
    };
    const plain = {"Content-Type": "text/plain"};
    const form_kind = {"Content-Type": "application/x-www-form-urlencoded"};
    const json = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.ListQueues"};
    for (const mode of ["no-cors", "cors"]) {
        await attempt(`reset ${mode}`, "/_ministack/reset", {method: "POST", mode, headers: plain});
        await attempt(`send ${mode}`, "/", {method: "POST", mode, headers: form_kind, body: form});
        const create = {method: "POST", mode, headers: plain, body: functionCode};
        await attempt(`create ${mode}`, "/2015-03-31/functions", create);
        await attempt(`list ${mode}`, "/guarded-store", {mode});
    }
    await attempt("preflight", "/", {method: "POST", mode: "cors", headers: json, body: "{}"});
    navigator.sendBeacon(endpoint + "/?" + form, form);
    await new Promise(resolve => {
        const frame = document.createElement("iframe");
        frame.name = "target";
        const sent = document.createElement("form");
        Object.assign(sent, {method: "POST", action: endpoint + "/", target: "target"});
        for (const [name, value] of new URLSearchParams(form)) {
            const field = document.createElement("input");
            Object.assign(field, {type: "hidden", name, value});
            sent.append(field);
        }
        document.body.append(frame, sent);
        frame.onload = () => { if (sent.dataset.sent) resolve(); };
        sent.dataset.sent = "yes";
        sent.submit();
    });
    const socket = new WebSocket(endpoint.replace("http", "ws") + "/_aws/execute-api/a/b");
    outcomes.push(await new Promise(resolve => {
        socket.onopen = () => resolve(["socket", "open", ""]);
        socket.onerror = () => resolve(["socket", "failed", ""]);
    }));
    return outcomes;
"""


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with emulator() as endpoint:
        yield deploy(endpoint, "guarded")


def test_page_sends_nothing_reads_nothing_and_resets_nothing(chromium: Chromium, web: Web, settings: Settings) -> None:
    queue = f"{settings.endpoint_url}/000000000000/guarded-worker"
    form = urlencode({"Action": "SendMessage", "QueueUrl": queue, "MessageBody": MESSAGE})
    chromium.open(web.add("/page.html", b"<!doctype html><body>page</body>", "text/html"))
    outcomes = chromium.run(ATTACK, settings.endpoint_url, form, '{"FunctionName": "f"}')
    assert [one for one in outcomes if one[1] not in ("opaque", "failed")] == []
    assert len(outcomes) == 10
    requested = chromium.read_log().requested
    assert sum(address.startswith(settings.endpoint_url) for address in requested) >= 10
    services = connect(settings)
    assert trio.run(services.queues["worker"].depth).empty
