"""slixmpp makes an account in band, lives with it, is administered, and leaves. XEP-0012, 0050, 0077, 0115, 0133."""

import asyncio
import json
import sys

import slixmpp

host, port, domain, ca_file, admin_password = sys.argv[1:6]
ADMIN = "http://jabber.org/protocol/admin"
WAIT = 15


class Client(slixmpp.ClientXMPP):
    """Logs in, or registers first where `registers`."""

    def __init__(self, local, password, registers=False):
        super().__init__(f"{local}@{domain}/slixmpp", password)
        self.ca_certs = ca_file
        for plugin in ("0004", "0012", "0030", "0050", "0115", "0133"):
            self.register_plugin(f"xep_{plugin}")
        self.started = asyncio.get_event_loop().create_future()
        self.ended = asyncio.get_event_loop().create_future()
        self.announced = asyncio.get_event_loop().create_future()
        if registers:
            self.register_plugin("xep_0077")
            self.add_event_handler("register", self.register_account)
            # It keeps IQs back until it has logged in, this one too; its own switch against that.
            self._always_send_everything = True
        self.add_event_handler("session_start", lambda _: self.settle(self.started, True))
        self.add_event_handler("disconnected", self.gone)
        self.add_event_handler("failed_all_auth", lambda _: self.settle(self.started, False))
        self.add_event_handler("message", lambda message: self.settle(self.announced, message["body"]))

    def settle(self, future, value):
        if not future.done():
            future.set_result(value)

    def gone(self, _):
        self.settle(self.started, False)
        self.settle(self.ended, True)

    async def register_account(self, _):
        iq = self.Iq()
        iq["type"] = "set"
        iq["register"]["username"] = self.boundjid.user
        iq["register"]["password"] = self.password
        await iq.send()

    async def login(self):
        self.connect((host, int(port)))
        return await asyncio.wait_for(self.started, WAIT)

    async def command(self, name, **values):
        """One form, filled in and completed; the values of the result by field, and the note."""
        plugin = self["xep_0050"]
        first = await plugin.send_command(domain, f"{ADMIN}#{name}")
        last = first
        if first["command"]["status"] == "executing":
            form = self["xep_0004"].make_form(ftype="submit")
            form.add_field(var="FORM_TYPE", ftype="hidden", value=ADMIN)
            for var, value in values.items():
                form.add_field(var=var.replace("_verify", "-verify"), value=value)
            last = await plugin.send_command(
                domain, f"{ADMIN}#{name}", action="complete", payload=form, sessionid=first["command"]["sessionid"]
            )
        assert last["command"]["status"] == "completed", last
        notes = [text for _, text in last["command"]["notes"]]
        fields = last["command"]["form"].get_values() if last["command"].xml.find("{jabber:x:data}x") is not None else {}
        return notes, fields


async def trade():
    outcome = {}
    admin = Client("root", admin_password)
    assert await admin.login()
    admin.send_presence()
    commands = await admin["xep_0050"].get_commands(domain)
    outcome["commands"] = sorted(node.split("#")[-1] for _, node, _ in commands["disco_items"]["items"])

    newcomer = Client("newcomer", "first password", registers=True)
    assert await newcomer.login()
    await newcomer["xep_0115"].update_caps(broadcast=False)
    newcomer.send_presence()
    uptime = await newcomer["xep_0012"].get_last_activity(domain)
    outcome["uptime"] = 0 <= uptime["last_activity"]["seconds"] < 3600
    outcome["online"] = (await admin.command("get-online-users-list", max_items="25"))[1]["onlineuserjids"]
    outcome["announced"] = (await admin.command("announce", announcement="Hello all"))[0]
    outcome["heard"] = await asyncio.wait_for(newcomer.announced, WAIT)

    await newcomer["xep_0077"].change_password("second password", jid=domain)
    newcomer.disconnect()
    await asyncio.wait_for(newcomer.ended, WAIT)
    again = Client("newcomer", "second password")
    outcome["password changed"] = await again.login()

    outcome["disabled"] = (await admin.command("disable-user", accountjids=[f"newcomer@{domain}"]))[0]
    await asyncio.wait_for(again.ended, WAIT)
    outcome["may log in"] = await Client("newcomer", "second password").login()
    outcome["enabled"] = (await admin.command("reenable-user", accountjids=[f"newcomer@{domain}"]))[0]
    leaving = Client("newcomer", "second password")
    leaving.register_plugin("xep_0077")
    assert await leaving.login()
    await leaving["xep_0077"].cancel_registration(jid=domain)
    await asyncio.wait_for(leaving.ended, WAIT)
    outcome["registered"] = (await admin.command("get-registered-users-num"))[1]["registeredusersnum"]
    admin.disconnect()
    await asyncio.wait_for(admin.ended, WAIT)
    return outcome


print(json.dumps(asyncio.get_event_loop().run_until_complete(asyncio.wait_for(trade(), 60))))
