"""Enrolling many reference devices at once, for tests that need a small fleet."""

import random

import httpx

from tacita.device.state import Device
from tacita.device.uploader import Uploader


async def enrol_all(url: str, devices: list[Device]) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        for device in devices:
            await Uploader(http, random.Random(0)).enrol(device)
