"""The hub's cache, Xet, tokens and gated models: pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from captioner.doctor.advice import Advice, bad, fine, note, warning
from captioner.doctor.facts import Disk, HubFacts, Remote

XET_SAYS = "Background writer channel closed"
"""How a transfer by Xet ends where its writer could not write: the words say nothing of the disk."""
XET_ROOM = 2 * 2**30
"""Bytes below which a transfer by Xet of a usual model fills the disk: it keeps chunks beside the file."""
LEFT_OVER = 10**9


def check_hub(hub: HubFacts, disks: tuple[Disk, ...]) -> Iterator[Advice]:
    """What keeps models from coming, or would."""
    yield from _xet(hub, disks)
    if hub.unfinished > LEFT_OVER:
        yield note(
            "hub", f"{hub.unfinished / 1e9:,.1f} GB of unfinished downloads in {hub.cache}",
            "they are taken up by `captioner fetch-models`; what nobody wants any more only takes room",
            f"find {hub.cache} -name '*.incomplete' -mtime +7 -delete",
        )  # fmt: skip
    for remote in hub.remotes:
        yield from _remote(hub, remote)
    yield fine("hub", f"cache {hub.cache}" + (", a token is set" if hub.has_token else ", no token is set"))


def _xet(hub: HubFacts, disks: tuple[Disk, ...]) -> Iterator[Advice]:
    if not hub.xet:
        return
    disk = next((one for one in disks if one.path == hub.xet_cache), None)
    disk = disk or next((one for one in disks if PurePath(hub.xet_cache).is_relative_to(one.path)), None)
    off = "export HF_HUB_DISABLE_XET=1"
    if not hub.xet_writable:
        yield warning(
            "hub", f"Xet's cache {hub.xet_cache} cannot be written: it belongs to somebody else, or is broken",
            f"downloads of trainers and other tools end with {XET_SAYS!r}; captioner's own do without Xet", off,
        )  # fmt: skip
    elif disk is not None and disk.free < XET_ROOM:
        yield warning(
            "hub", f"Xet's cache {hub.xet_cache} is on a disk with {disk.free / 1e6:,.0f} MB free",
            f"a full disk is what {XET_SAYS!r} means: chunks and file together do not fit; captioner's own downloads "
            "do without Xet", "export HF_HOME=FOLDER",
        )  # fmt: skip
    else:
        yield fine(
            "hub",
            f"Xet is on, its cache holds {hub.xet_size / 1e6:,.0f} MB and can be written; where a download still "
            f"ends with {XET_SAYS!r}, that cache is broken: rm -r {hub.xet_cache}, or {off}",
        )  # fmt: skip


def _remote(hub: HubFacts, remote: Remote) -> Iterator[Advice]:
    fetch = f"captioner fetch-models {remote.flag}"
    if remote.here:
        yield fine("hub", f"{remote.name}: here")
    elif not remote.asked:
        why = "HF_HUB_OFFLINE is set" if hub.offline else "the hub was not asked"
        yield warning(
            "hub", f"{remote.name} is not on this machine, and whether it can be had is not known: {why}",
            "a build that needs it stops there", f"HF_HUB_OFFLINE=0 {fetch}" if hub.offline else fetch,
        )  # fmt: skip
    elif remote.kind == "gated":
        command = "hf auth login" if not hub.has_token else fetch
        yield bad("hub", f"{remote.name}: {remote.fault}", "a build that needs it stops there", command)
    elif remote.kind in ("token", "forbidden"):
        yield bad("hub", f"{remote.name}: {remote.fault}", "a build that needs it stops there", "hf auth login")
    elif remote.kind:
        yield bad("hub", f"{remote.name}: {remote.fault}", "a build that needs it stops there", fetch)
    else:
        yield note(
            "hub", f"{remote.name} is not here yet, and the hub gives it", "the first build fetches it and waits", fetch
        )
