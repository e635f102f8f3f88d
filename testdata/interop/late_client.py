"""Lets a client of dogpile.cache, by way of pylibmc, release the lock that it has lost to another one by its lease, at the server
at HOST PORT: prints whether the other one has it still.

    late_client.py HOST PORT
"""

import sys

from dogpile.cache import make_region
from expect import eventually, expect

HOST, PORT = sys.argv[1:]


def mutex(lease):
    arguments = {"url": [f"{HOST}:{PORT}"], "binary": True, "behaviors": {"_poll_timeout": 300_000},
                 "distributed_lock": True, "lock_timeout": lease}
    return make_region().configure("dogpile.cache.pylibmc", expiration_time=3600, arguments=arguments).backend.get_mutex("job")


late, holder = mutex(1), mutex(3600)
expect("acquire", late.acquire(wait=False), True)
eventually("the lease is over", lambda: holder.acquire(wait=False))
late.release()
print(holder.locked())
holder.release()
expect("locked after the holder's release", holder.locked(), False)
expect("acquire by the late one", late.acquire(wait=False), True)
late.release()
expect("locked after a release in time", holder.locked(), False)
