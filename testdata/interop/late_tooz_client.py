"""Lets a member of tooz release the lock that it has lost to another one of the same name by its lease, at the server at HOST
PORT: prints whether the other one has it still. tooz looks who has the lock before it deletes it, and sees its own name.

    late_tooz_client.py HOST PORT
"""

import sys

from expect import eventually, expect
from tooz import coordination

HOST, PORT = sys.argv[1:]


def mutex(lease):
    # The timeout is the socket's: 30 s, which a busy machine may need.
    url = f"memcached://{HOST}:{PORT}?timeout=300&lock_timeout={lease}"
    coordinator = coordination.get_coordinator(url, b"worker")
    coordinator.start()
    return coordinator.get_lock(b"job")


late, holder = mutex(1), mutex(3600)
expect("acquire", late.acquire(blocking=False), True)
eventually("the lease is over", lambda: holder.acquire(blocking=False))
late.release()
print(holder.get_owner() is not None)
holder.release()
expect("owner after the holder's release", holder.get_owner(), None)
expect("acquire by the late one", late.acquire(blocking=False), True)
expect("its release in time", late.release(), True)
