#!/usr/bin/env python3
"""Checks the test server with an outside client, pyVmomi, for the calls that vmdkbkp uses.

    deno task vsphere-server
    python3 -m venv build/pyvmomi && build/pyvmomi/bin/pip install pyvmomi==9.1.1.0
    build/pyvmomi/bin/python tests/vsphere/pyvmomi_check.py build/vsphere-server

It plays an ESXi host and a vCenter, and ends with 0 if pyVmomi accepts every
answer and the server every request.
"""

import json
import ssl
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

from pyVim import connect
from pyVmomi import VmomiSupport, vim, vmodl

MEBIBYTE = 1 << 20


class Server:
    """The test server, as a process."""

    def __init__(self, program, folder, vcenter):
        args = [program, "-watch-stdin", "-folder", folder] + (["-vcenter"] if vcenter else [])
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ready = json.loads(self.process.stdout.readline())

    def control(self, command, **request):
        """Sends a request to the control URL."""
        headers = {"Authorization": "Bearer " + self.ready["token"]}
        url = self.ready["control"] + "/" + command
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(request).encode(), headers)) as answer:
            return json.load(answer)

    def violations(self):
        """What clients did that the server does not allow."""
        with open(self.ready["log"], encoding="utf-8") as log:
            return [line for line in log if json.loads(line)["event"] == "violation"]

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def wait(instance, task):
    """Waits for a task and returns its result."""
    collector = instance.content.propertyCollector
    spec = vmodl.query.PropertyCollector
    view = spec.FilterSpec(
        objectSet=[spec.ObjectSpec(obj=task)],
        propSet=[spec.PropertySpec(type=vim.Task, pathSet=["info.state", "info.error", "info.result"])],
    )
    watched = collector.CreateFilter(view, True)
    try:
        version, state = "", {}
        while state.get("info.state") not in ("success", "error"):
            update = collector.WaitForUpdates(version)
            version = update.version
            for changed in update.filterSet[0].objectSet:
                state.update({change.name: change.val for change in changed.changeSet})
    finally:
        watched.Destroy()
    if state["info.state"] == "error":
        raise state["info.error"]
    return state.get("info.result")


def machines(instance):
    """Names and references of all machines, two an answer."""
    content, spec = instance.content, vmodl.query.PropertyCollector
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    path = spec.TraversalSpec(name="view", path="view", skip=False, type=vim.view.ContainerView)
    query = spec.FilterSpec(
        objectSet=[spec.ObjectSpec(obj=view, selectSet=[path], skip=True)],
        propSet=[spec.PropertySpec(type=vim.VirtualMachine, pathSet=["name", "config.uuid"])],
    )
    collector = content.propertyCollector
    found = {}
    answer = collector.RetrievePropertiesEx([query], spec.RetrieveOptions(maxObjects=2))
    while answer is not None:
        for one in answer.objects:
            found[{p.name: p.val for p in one.propSet}["name"]] = one.obj
        answer = collector.ContinueRetrievePropertiesEx(answer.token) if answer.token else None
    view.Destroy()
    return found


def declare_nfc_service():
    """The service that gives tickets is in no public description, so pyVmomi has to be told."""
    version = "vim.version.version9"
    VmomiSupport.CreateManagedType(
        "vim.NfcService", "NfcService", "vmodl.ManagedObject", version, [],
        [("getVmFiles", "NfcGetVmFiles", version, (("vm", "vim.VirtualMachine", version, 0, None),),
          (0, "vim.HostServiceTicket", "vim.HostServiceTicket"), "System.View", None)])


def disks(config):
    return [device for device in config.hardware.device if isinstance(device, vim.vm.device.VirtualDisk)]


def check(program, vcenter):
    with tempfile.TemporaryDirectory() as folder:
        server = Server(program, folder, vcenter)
        try:
            use(server, vcenter)
            violations = server.violations()
            assert not violations, violations
            counters = server.control("state")["counters"]
            assert counters["sessionsOpen"] == 0, counters
            print("vCenter" if vcenter else "ESXi", "accepted:", counters["calls"], "calls")
        finally:
            server.stop()


def use(server, vcenter):
    ready = server.ready
    for n in range(5):
        server.control("machine", name=f"vm <{n}>", disks=[{"bytes": 8 * MEBIBYTE}, {"bytes": MEBIBYTE}])
    account = {"host": ready["host"], "port": ready["port"], "user": ready["user"],
               "sslContext": ssl._create_unverified_context()}
    try:
        connect.SmartConnect(pwd="wrong", **account)
        raise AssertionError("a wrong password was accepted")
    except vim.fault.InvalidLogin:
        pass
    instance = connect.SmartConnect(pwd=ready["password"], **account)
    content = instance.content
    assert content.about.apiType == ("VirtualCenter" if vcenter else "HostAgent")

    found = machines(instance)
    assert sorted(found) == [f"vm <{n}>" for n in range(5)], found
    machine = found["vm <3>"]
    assert content.searchIndex.FindByUuid(None, machine.config.uuid, True)._moId == machine._moId
    assert [disk.key for disk in disks(machine.config)] == [2000, 2001]
    assert machine.capability.changeTrackingSupported

    wait(instance, machine.ReconfigVM_Task(vim.vm.ConfigSpec(changeTrackingEnabled=True)))
    assert machine.config.changeTrackingEnabled
    first = wait(instance, machine.CreateSnapshot_Task("first", "by pyVmomi", False, True))
    ids = [disk.backing.changeId for disk in disks(first.config)]
    assert all(ids), ids
    server.control("write", machine=machine._moId, key=2000, offset=MEBIBYTE, length=512, seed=1)
    second = wait(instance, machine.CreateSnapshotEx_Task("second", "", False, None))
    changes = machine.QueryChangedDiskAreas(second, 2000, 0, ids[0])
    areas = [(area.start, area.length) for area in changes.changedArea]
    assert (changes.startOffset, changes.length, areas) == (0, 8 * MEBIBYTE, [(MEBIBYTE, 65536)]), changes
    try:
        machine.QueryChangedDiskAreas(second, 2000, 8 * MEBIBYTE, ids[0])
        raise AssertionError("a query behind the end was answered")
    except vmodl.fault.InvalidArgument as fault:
        assert fault.invalidProperty == "startOffset"
    tree = machine.snapshot.rootSnapshotList[0]
    assert (tree.name, tree.childSnapshotList[0].name, tree.quiesced) == ("first", "second", True)
    backing = disks(machine.config)[0].backing
    assert backing.fileName.endswith("-000002.vmdk") and backing.parent.parent is not None
    wait(instance, first.RemoveSnapshot_Task(True))
    # The simulator answers pyVmomi's own way to read an unset property, Fetch, with another method's response.
    spec = vmodl.query.PropertyCollector
    answer = content.propertyCollector.RetrievePropertiesEx([spec.FilterSpec(
        objectSet=[spec.ObjectSpec(obj=machine)],
        propSet=[spec.PropertySpec(type=vim.VirtualMachine, pathSet=["snapshot"])])], spec.RetrieveOptions())
    assert answer.objects[0].propSet == []

    descriptor = content.ovfManager.CreateDescriptor(machine, vim.OvfManager.CreateDescriptorParams())
    assert not descriptor.error and "vm &lt;3&gt;" in descriptor.ovfDescriptor
    privileges = content.authorizationManager.HasPrivilegeOnEntities(
        [machine], content.sessionManager.currentSession.key, ["VirtualMachine.State.CreateSnapshot"])
    assert privileges[0].privAvailability[0].isGranted

    stub = instance._stub
    nfc = VmomiSupport.GetVmodlType("vim.NfcService")("nfcService" if vcenter else "ha-nfc-service", stub)
    ticket = nfc.GetVmFiles(machine)
    assert (ticket.host, ticket.port, ticket.service, ticket.sslThumbprint) == (
        ready["dataHost"] if vcenter else None, ready["dataPort"], "vpxa-nfc" if vcenter else "nfc", ready["sha1"])

    name = urllib.parse.quote(machine.config.files.vmPathName.split("] ")[1])
    query = urllib.parse.urlencode({"dcPath": "DC0" if vcenter else "ha-datacenter", "dsName": "datastore1"})
    url = f"https://{ready['host']}:{ready['port']}/folder/{name}?{query}"
    request = urllib.request.Request(url, headers={"Cookie": stub.cookie.split(";")[0]})
    with urllib.request.urlopen(request, context=ssl._create_unverified_context()) as answer:
        assert b'displayName = "vm <3>"' in answer.read()

    server.control("expire")
    try:
        machine.name
        raise AssertionError("an expired session was accepted")
    except vim.fault.NotAuthenticated:
        pass
    again = connect.SmartConnect(pwd=ready["password"], **account)
    connect.Disconnect(again)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    declare_nfc_service()
    for is_vcenter in (False, True):
        check(sys.argv[1], is_vcenter)
