"""What the 24 pinned series of NAB have to be: checksums and label windows."""

from __future__ import annotations

from typing import Final

SHA256: Final = {
    "art_daily_no_noise": "ccb7743ac2de8ca110db4af796d11ba31a23ad448a28e353a935c15f637756bc",
    "art_daily_perfect_square_wave": (
        "662ff0a295b81eb0ff8e81116a54a497cd6f6b07c19c7a5ea72cce494913ce62"
    ),
    "art_daily_small_noise": "c4b304229f69f108eaa024fb2406fcd4510c5c5d95cd0053e2da6989682e4e6d",
    "art_flatline": "1cc10761ddd6d55fb5f0d9cfc73610416abbb120ee14bb65eff288509a463397",
    "art_noisy": "ad455adeaf06852222500955f2aefe6bd389cc762ef68e7102ee543209c8607f",
    "art_daily_flatmiddle": "ea5df125947e9ee2b977ac3d341f3c2a029588862af97cae4a654fc56e838702",
    "art_daily_jumpsdown": "4af31802e87dff4b4ba3ceb21714ba9d905f7888e1f53d47cc6dd4f856f9debc",
    "art_daily_jumpsup": "f79f92b93ee4f9c10e2dc552505e8880b0c618639ed5e0f9816e044b75c26456",
    "art_daily_nojump": "65c85d1834376ed5e622f01721d478609577ea0df0a067c5a5ebe5edea03b077",
    "art_increase_spike_density": (
        "0959d8871d5c1a3fc3120fb7421e4ef113fffb434af2889085b52aebdb69360c"
    ),
    "art_load_balancer_spikes": "99f7130e54c7c3e818df8e3bdc0974cd241914bb14a10a9c3fa7c1374125d224",
    "exchange-2_cpc_results": "d869ab165254f3ee77ee21fd9fab2be1d07c1f80b8133cf01bbaf2d768c2ac64",
    "exchange-2_cpm_results": "1f01b9438566d2fe1ac446faa202a395ac86db9240a1955bc1f118c8eada2a19",
    "exchange-3_cpc_results": "e70b24dba107a2589657cb3feb9ca5605b4f3f7de49ff445f32f5991bc0bdbe5",
    "exchange-3_cpm_results": "74d354a94fb1730e14b469c7c1c6e99c2ad69af53afdb85f65220bd3cf01ce4a",
    "exchange-4_cpc_results": "d4c13abd6f28594dc446f22106562ebe917fdbe76170f60a500c2a402ecc09e2",
    "exchange-4_cpm_results": "4e5c955b632145b77b93fba4a5e3bf615d47e00416e17091d64e05ae109c760e",
    "ambient_temperature_system_failure": (
        "230b68ccca20f59d562afd5d24ad52939c9b784386bed0054018358bf9120581"
    ),
    "cpu_utilization_asg_misconfiguration": (
        "58ba65dc0737cfbac11b51514476d50c438d44011232144bb8d93f392df58f9f"
    ),
    "ec2_request_latency_system_failure": (
        "98378580aa80157e057c61d59d81daddccc6c65a2c0c800e3f01f603b8215c3f"
    ),
    "machine_temperature_system_failure": (
        "92bf5b87fc7f9bba8ca0b7ec63ccaac8cb4a1371a258e8c29a10ae9c018d82a4"
    ),
    "nyc_taxi": "d8fa6f7f0734bf5c8be12c52a94e20a82664c397d9dec4449156bd453d32856d",
    "rogue_agent_key_hold": "47b110baa8e3636574c1033dda1cce780873647fab58223d159d4fee6f180e86",
    "rogue_agent_key_updown": "9797cfef477c13306f7a33874ab4d6cf700f8f2c7e5825a2a5bc02004370909a",
}

# NAB's labels/combined_windows.json changes with every series that is added, so each series' part
# is pinned, as BEGIN/END. What is pinned above and not named here has no anomalies.
WINDOWS: Final[dict[str, tuple[str, ...]]] = {
    "art_daily_flatmiddle": ("2014-04-10 07:15:00/2014-04-11 16:45:00",),
    "art_daily_jumpsdown": ("2014-04-10 16:15:00/2014-04-12 01:45:00",),
    "art_daily_jumpsup": ("2014-04-10 16:15:00/2014-04-12 01:45:00",),
    "art_daily_nojump": ("2014-04-10 16:15:00/2014-04-12 01:45:00",),
    "art_increase_spike_density": ("2014-04-07 06:25:00/2014-04-08 15:55:00",),
    "art_load_balancer_spikes": ("2014-04-10 11:50:00/2014-04-11 21:20:00",),
    "exchange-2_cpc_results": ("2011-07-11 04:00:01/2011-07-17 22:00:01",),
    "exchange-2_cpm_results": (
        "2011-07-24 14:00:01/2011-07-27 22:00:01",
        "2011-08-09 00:00:01/2011-08-12 09:00:01",
    ),
    "exchange-3_cpc_results": (
        "2011-07-13 09:15:01/2011-07-15 11:15:01",
        "2011-07-19 09:15:01/2011-07-21 11:15:01",
        "2011-08-12 07:15:01/2011-08-14 13:15:01",
    ),
    "exchange-3_cpm_results": ("2011-08-16 10:15:01/2011-08-23 00:15:01",),
    "exchange-4_cpc_results": (
        "2011-07-15 06:15:01/2011-07-17 12:15:01",
        "2011-08-01 07:15:01/2011-08-03 15:15:01",
        "2011-08-22 05:15:01/2011-08-24 11:15:01",
    ),
    "exchange-4_cpm_results": (
        "2011-07-15 13:15:01/2011-07-17 05:15:01",
        "2011-07-31 11:15:01/2011-08-02 05:15:01",
        "2011-08-22 12:15:01/2011-08-24 04:15:01",
        "2011-08-27 17:15:01/2011-08-29 09:15:01",
    ),
    "ambient_temperature_system_failure": (
        "2013-12-15 07:00:00/2013-12-30 09:00:00",
        "2014-03-29 15:00:00/2014-04-20 22:00:00",
    ),
    "cpu_utilization_asg_misconfiguration": ("2014-07-10 12:29:00/2014-07-15 17:19:00",),
    "ec2_request_latency_system_failure": (
        "2014-03-14 03:31:00/2014-03-14 14:41:00",
        "2014-03-18 17:06:00/2014-03-19 04:16:00",
        "2014-03-20 21:26:00/2014-03-21 03:41:00",
    ),
    "machine_temperature_system_failure": (
        "2013-12-10 06:25:00/2013-12-12 05:35:00",
        "2013-12-15 17:50:00/2013-12-17 17:00:00",
        "2014-01-27 14:20:00/2014-01-29 13:30:00",
        "2014-02-07 14:55:00/2014-02-09 14:05:00",
    ),
    "nyc_taxi": (
        "2014-10-30 15:30:00/2014-11-03 22:30:00",
        "2014-11-25 12:00:00/2014-11-29 19:00:00",
        "2014-12-23 11:30:00/2014-12-27 18:30:00",
        "2014-12-29 21:30:00/2015-01-03 04:30:00",
        "2015-01-24 20:30:00/2015-01-29 03:30:00",
    ),
    "rogue_agent_key_hold": (
        "2014-07-15 04:35:00/2014-07-15 13:25:00",
        "2014-07-17 05:50:00/2014-07-18 06:45:00",
    ),
    "rogue_agent_key_updown": (
        "2014-07-14 17:00:00/2014-07-15 15:00:00",
        "2014-07-16 21:50:00/2014-07-17 19:50:00",
    ),
}
