"""Lets PROCESSES want the same value from a region of dogpile.cache, which keeps it in the server at HOST PORT by way of
pylibmc and the binary protocol: its distributed lock has one of them make the value. Prints how many claims that took.

    dogpile_client.py HOST PORT PROCESSES
"""

import multiprocessing
import os
import sys

import pylibmc
from dogpile.cache import make_region
from dogpile.cache.api import NO_VALUE
from expect import eventually, expect

HOST, PORT, PROCESSES = sys.argv[1:]


def connect():
    behaviors = {"_poll_timeout": 300_000}  # the default is 5 s, which a busy machine may need
    arguments = {"url": [f"{HOST}:{PORT}"], "binary": True, "behaviors": behaviors, "distributed_lock": True}
    return make_region().configure("dogpile.cache.pylibmc", expiration_time=3600, arguments=arguments)


def store(region):
    expect("get of nothing", region.get("k"), NO_VALUE)
    region.set("k", {"any": "object"})
    expect("get", region.get("k"), {"any": "object"})
    region.set_multi({"m1": 1, "m2": None})
    expect("get_multi", region.get_multi(["m1", "m2", "m3"]), [1, None, NO_VALUE])
    region.delete_multi(["m1", "m2"])
    region.delete("k")
    expect("get of what was deleted", region.get_multi(["k", "m1", "m2"]), [NO_VALUE] * 3)


def lock(alice, bob):
    mine, other = alice.backend.get_mutex("job"), bob.backend.get_mutex("job")
    expect("acquire", mine.acquire(), True)
    expect("acquire of a held lock", other.acquire(wait=False), False)
    expect("locked", other.locked(), True)
    mine.release()
    expect("acquire when it is free", other.acquire(wait=False), True)
    other.release()
    expect("locked", mine.locked(), False)


def stores(server):
    """How often clients have tried to store something so far, locks among it."""
    [(_, told)] = server.get_stats()
    return int(told["cmd_set"])


def make_once(server, size):
    """Has one of the processes make the value, which it has as soon as all want it. Returns how many claims that took."""
    before = stores(server)
    makers, values = multiprocessing.SimpleQueue(), multiprocessing.SimpleQueue()

    def make():
        makers.put(os.getpid())
        own = server.clone()  # a connection is not for two processes
        eventually("all want the value", lambda: stores(own) - before >= size)
        return os.getpid()

    def want():
        values.put(connect().get_or_create("page", make))

    workers = [multiprocessing.Process(target=want) for _ in range(size)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        expect("a worker's end", worker.exitcode, 0)
    maker = makers.get()
    expect("only one made it", makers.empty(), True)
    expect("what they got", [values.get() for _ in workers], [maker] * size)
    return stores(server) - before - 1


region = connect()
store(region)
lock(region, connect())
print(make_once(pylibmc.Client([f"{HOST}:{PORT}"], binary=True), int(PROCESSES)))
