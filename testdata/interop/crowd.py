"""Lets many processes take one lock with LIBRARY from the server at HOST PORT for some SECONDS, HOLD seconds at a time,
and prints acquisitions per second, the longest wait in seconds (> if it is not over), tries per acquisition, and how
many of 100 acquisitions were handed off (- if the server has no such thing).

    crowd.py LIBRARY HOST PORT PROCESSES SECONDS HOLD
"""

import multiprocessing
import os
import sys
import time

from dogpile.cache import make_region
from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheError
from tooz import coordination

KEY = "job"


def dogpile_lock(host, port):
    """The lock that a cache region of dogpile.cache takes while it makes a value."""
    arguments = {"url": f"{host}:{port}", "distributed_lock": True, "lock_timeout": 60}
    region = make_region().configure("dogpile.cache.pymemcache", arguments=arguments)
    region.get(KEY)  # connects
    return region.backend.get_mutex(KEY)


def tooz_lock(host, port):
    coordinator = coordination.get_coordinator(f"memcached://{host}:{port}?timeout=60", f"member-{os.getpid()}")
    coordinator.start()
    return coordinator.get_lock(KEY.encode())


LIBRARIES = {"dogpile.cache": dogpile_lock, "tooz": tooz_lock}


class Crowd:
    """What the processes share: for each of them what it has got, and since when it waits (0 if it does not)."""

    def __init__(self, size):
        self.acquired = multiprocessing.Array("L", size, lock=False)
        self.longest = multiprocessing.Array("d", size, lock=False)
        self.waiting = multiprocessing.Array("d", size, lock=False)
        self.ready = multiprocessing.Semaphore(0)
        self.start = multiprocessing.Event()

    def member(self, number, library, host, port, hold):
        lock = LIBRARIES[library](host, port)
        self.ready.release()
        self.start.wait()
        while True:
            began = self.waiting[number] = time.monotonic()
            lock.acquire()
            self.waiting[number] = 0
            self.longest[number] = max(self.longest[number], time.monotonic() - began)
            self.acquired[number] += 1
            time.sleep(hold)
            lock.release()

    def longest_wait(self):
        """The longest wait in seconds, with a > if it is not over: who never gets the lock waits longest."""
        now, over = time.monotonic(), max(self.longest)
        unfinished = max(now - (since or now) for since in self.waiting)
        return f">{unfinished:.2f}" if unfinished > over else f"{over:.2f}"


def counts(server):
    """How many claims were made, and how many locks handed off."""
    try:
        handed_off = int(server.stats("locks")[b"handed_off"])
    except MemcacheError:  # memcached has no such stats
        handed_off = None
    return int(server.stats()[b"cmd_set"]), handed_off


def main(library, host, port, size, seconds, hold):
    crowd = Crowd(size)
    members = [
        multiprocessing.Process(target=crowd.member, args=(number, library, host, port, hold), daemon=True)
        for number in range(size)
    ]
    for member in members:
        member.start()
    for _ in members:
        if not crowd.ready.acquire(timeout=60):
            sys.exit("not all processes have started")
    server = Client((host, port))
    tries_before, handed_before = counts(server)
    crowd.start.set()
    time.sleep(seconds)
    longest, acquired = crowd.longest_wait(), sum(crowd.acquired)
    tries, handed_off = counts(server)
    for member in members:
        member.kill()
    share = "-" if handed_off is None else f"{100 * (handed_off - handed_before) / acquired:.0f}"
    print(f"{acquired / seconds:.1f} {longest} {(tries - tries_before) / acquired:.1f} {share}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]), float(sys.argv[6]))
