"""What NAB holds: its series by group, and what is known of them beforehand.

The 58 series of NAB v1.1. For 24 of them the SHA-256 of the file and the label windows are pinned
here; for the others both come from NAB's repository, see `_files`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from freshet.datasets._pins import SHA256, WINDOWS
from freshet.datasets._series import DatasetError, Labels

#: Where a file of NAB can be read, by its path.
RAW_URL = "https://raw.githubusercontent.com/numenta/NAB/master"
#: The list of the same revision's files with their Git blob ids.
TREE_URL = "https://api.github.com/repos/numenta/NAB/git/trees/master?recursive=1"
LABELS_PATH: Final = "labels/combined_windows.json"

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "realKnownCause": (
        "ambient_temperature_system_failure",
        "cpu_utilization_asg_misconfiguration",
        "ec2_request_latency_system_failure",
        "machine_temperature_system_failure",
        "nyc_taxi",
        "rogue_agent_key_hold",
        "rogue_agent_key_updown",
    ),
    "realAWSCloudwatch": (
        "ec2_cpu_utilization_24ae8d",
        "ec2_cpu_utilization_53ea38",
        "ec2_cpu_utilization_5f5533",
        "ec2_cpu_utilization_77c1ca",
        "ec2_cpu_utilization_825cc2",
        "ec2_cpu_utilization_ac20cd",
        "ec2_cpu_utilization_c6585a",
        "ec2_cpu_utilization_fe7f93",
        "ec2_disk_write_bytes_1ef3de",
        "ec2_disk_write_bytes_c0d644",
        "ec2_network_in_257a54",
        "ec2_network_in_5abac7",
        "elb_request_count_8c0756",
        "grok_asg_anomaly",
        "iio_us-east-1_i-a2eb1cd9_NetworkIn",
        "rds_cpu_utilization_cc0c53",
        "rds_cpu_utilization_e47b3b",
    ),
    "realAdExchange": (
        "exchange-2_cpc_results",
        "exchange-2_cpm_results",
        "exchange-3_cpc_results",
        "exchange-3_cpm_results",
        "exchange-4_cpc_results",
        "exchange-4_cpm_results",
    ),
    "realTraffic": (
        "TravelTime_387",
        "TravelTime_451",
        "occupancy_6005",
        "occupancy_t4013",
        "speed_6005",
        "speed_7578",
        "speed_t4013",
    ),
    "realTweets": (
        "Twitter_volume_AAPL",
        "Twitter_volume_AMZN",
        "Twitter_volume_CRM",
        "Twitter_volume_CVS",
        "Twitter_volume_FB",
        "Twitter_volume_GOOG",
        "Twitter_volume_IBM",
        "Twitter_volume_KO",
        "Twitter_volume_PFE",
        "Twitter_volume_UPS",
    ),
    "artificialNoAnomaly": (
        "art_daily_no_noise",
        "art_daily_perfect_square_wave",
        "art_daily_small_noise",
        "art_flatline",
        "art_noisy",
    ),
    "artificialWithAnomaly": (
        "art_daily_flatmiddle",
        "art_daily_jumpsdown",
        "art_daily_jumpsup",
        "art_daily_nojump",
        "art_increase_spike_density",
        "art_load_balancer_spikes",
    ),
}


@dataclass(frozen=True)
class Entry:
    """A series of NAB.

    Attributes
    ----------
    group, name : str
        Its folder and its file's name without ``.csv``.
    sha256 : str or None
        Of the file; None if it is not pinned.
    labels : tuple of (str, str) or None
        The windows as NAB writes them; None if they are not pinned.
    """

    group: str
    name: str
    sha256: str | None = None
    labels: Labels | None = None

    @property
    def key(self) -> str:
        """What NAB's label files call the series."""
        return f"{self.group}/{self.name}.csv"

    @property
    def path(self) -> str:
        """The file's place in NAB."""
        return f"data/{self.key}"


def find(name: str) -> Entry:
    """Return the series of that name; DatasetError if NAB has none."""
    if name in NAB:
        return NAB[name]
    similar = difflib.get_close_matches(name, [*NAB, *GROUPS], n=3)
    hint = f"; similar: {', '.join(similar)}" if similar else ""
    raise DatasetError(
        f"NAB has no series {name!r}{hint} (datasets.list_nab() and 'freshet download --list' "
        f"show all {len(NAB)})",
        id="series_unknown",
        field=name,
        expected="the name of a series of NAB",
    )


def select(names: Iterable[str]) -> list[Entry]:
    """Return the series that `names` stand for, each once: series, groups, or ``"all"``."""
    chosen: dict[str, Entry] = {}
    for name in names:
        for member in NAB if name == "all" else GROUPS.get(name, (name,)):
            chosen[member] = find(member)
    return list(chosen.values())


def _labels(name: str) -> Labels | None:
    if name not in SHA256:
        return None
    pairs = (window.split("/") for window in WINDOWS.get(name, ()))
    return tuple((f"{begin}.000000", f"{end}.000000") for begin, end in pairs)


NAB: Final = {
    name: Entry(group, name, SHA256.get(name), _labels(name))
    for group, names in GROUPS.items()
    for name in names
}
