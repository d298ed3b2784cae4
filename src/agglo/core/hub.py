"""Files of the Hugging Face hub: from the local cache, and over the network only where `HF_HUB_OFFLINE=0` says so."""

import os
from pathlib import Path

FOR_ONLINE = {"0", "no", "off", "false"}
HOW_TO_DOWNLOAD = "Run once with HF_HUB_OFFLINE=0 and network access"


class NotOnHand(Exception):
    """A file of the hub is not on this machine and was not fetched; the message says why, for the caller to complete."""


def may_ask_hub() -> bool:
    """Return whether the user allows downloads: offline is how things are unless `HF_HUB_OFFLINE=0` is set."""
    return os.environ.get("HF_HUB_OFFLINE", "1").lower() in FOR_ONLINE


def cached_file(repository: str, name: str, *, revision: str | None = None) -> Path | None:
    """Return a file of the hub if it lies in the local cache; the network is not asked."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, name, revision=revision)
    return Path(found) if isinstance(found, str) else None


def hub_file(repository: str, name: str, *, revision: str | None = None, may_download: bool = True) -> Path:
    """Return a file of the hub: from the cache, else downloaded if both `may_download` and the user allow it.

    Args:
        repository: as `owner/name`.
        name: of the file in it.
        revision: a commit, or None for the newest.
        may_download: False where even a user who allows downloads expects none, as in a dry run.

    Raises:
        NotOnHand: it is not in the cache, and the hub was not asked or did not give it.
    """
    from huggingface_hub import constants, hf_hub_download

    cached = cached_file(repository, name, revision=revision)
    if cached is not None:
        return cached
    if not (may_download and may_ask_hub()):
        raise NotOnHand(f"they are not in the cache {constants.HF_HUB_CACHE}")
    try:
        return Path(hf_hub_download(repository, name, revision=revision))
    except Exception as error:  # the hub's client raises a dozen kinds, none of them ours to tell apart
        said = " ".join(str(error).split())[:300]
        raise NotOnHand(f"the hub did not give them ({type(error).__name__}: {said})") from error
