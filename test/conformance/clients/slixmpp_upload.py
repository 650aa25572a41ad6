"""slixmpp's XEP-0363 finds the service and gets a slot; Python's own HTTP client uploads the file and downloads it."""

import asyncio
import hashlib
import json
import os
import ssl
import sys
import types
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import slixmpp

# The plugin imports aiohttp for a helper that is not used here, and Debian does not bring it with slixmpp.
sys.modules.setdefault("aiohttp", types.SimpleNamespace(ClientSession=None))

host, port, jid, ca_file, path = sys.argv[1:6]
password = os.environ["TEST_PASSWORD"]
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
context = ssl.create_default_context(cafile=ca_file)


def http(method, url, data=None, headers={}):
    try:
        with urlopen(Request(url, data, headers, method=method), context=context, timeout=10) as response:
            return response.status, response.read(), {key.lower(): value for key, value in response.getheaders()}
    except HTTPError as error:
        return error.code, error.read(), {}


async def main():
    client = slixmpp.ClientXMPP(jid, password)
    client.ca_certs = ca_file
    client.register_plugin("xep_0363")
    started = loop.create_future()
    client.add_event_handler("session_start", lambda _: started.set_result(True))
    client.connect((host, int(port)))
    await asyncio.wait_for(started, 15)
    upload = client["xep_0363"]
    # As the plugin's find_upload_service, which Python 3.11 does not run (slixmpp 1.8.3).
    items = await client["xep_0030"].get_items(jid=client.boundjid.domain)
    service, form = None, {}
    for item in items["disco_items"]["items"]:
        info = await client["xep_0030"].get_info(jid=item[0])
        if "urn:xmpp:http:upload:0" in info["disco_info"]["features"]:
            service, form = info["from"], info["disco_info"]["form"].get_values()
    with open(path, "rb") as file:
        sent = file.read()
    name = os.path.basename(path)
    answer = await upload.request_slot(service, name, len(sent), "image/png", timeout=10)
    slot = answer["http_upload_slot"]
    # slixmpp hands headers on that the server wants; this one wants none.
    headers = {header["name"]: header["value"] for header in slot["put"]["headers"]}
    put, get = slot["put"]["url"], slot["get"]["url"]
    status, _, _ = await loop.run_in_executor(None, http, "PUT", put, sent, {**headers, "Content-Type": "image/png"})
    again, _, _ = await loop.run_in_executor(None, http, "PUT", put, sent, {**headers, "Content-Type": "image/png"})
    _, got, got_headers = await loop.run_in_executor(None, http, "GET", get)
    try:
        await upload.request_slot(service, "large.bin", int(form["max-file-size"]) + 1, timeout=10)
        too_large = None
    except slixmpp.exceptions.IqError as error:
        too_large = error.iq["error"]["condition"]
    print(
        json.dumps(
            {
                "service": str(service),
                "put": status,
                "again": again,
                "same": hashlib.sha256(got).hexdigest() == hashlib.sha256(sent).hexdigest(),
                "name": get.rsplit("/", 1)[1],
                "type": got_headers["content-type"],
                "disposition": got_headers["content-disposition"].split(";")[0],
                "tooLarge": too_large,
            }
        ),
        flush=True,
    )
    await client.disconnect()


loop.run_until_complete(asyncio.wait_for(main(), 40))
