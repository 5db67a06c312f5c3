"""Whether certificates must be valid today, on a device that may not know which day it is.

A device that wakes in 1970 would refuse every certificate as not valid yet, and could not even learn
the time. So while its clock is not synchronised, the dates of a certificate that a pinned CA signed
are not judged; everything else about it is. An authority that the whole system trusts has signed too
many certificates for that, so with none pinned the dates are always judged.
"""

from __future__ import annotations

from firmware_profiles.broker_url import Address


def must_judge_dates(address: Address, *, clock_trusted: bool) -> bool:
    """Whether a connection to `address` needs certificates that are valid today."""
    return clock_trusted or address.tls is None or address.tls.ca is None
