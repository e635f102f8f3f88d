"""Plays the commands of python-binary-memcached against the server at HOST PORT, and ends with an error at the first
surprise. SERVER is memcached, or lockcached, which is asked for more. With $MEMCACHE_USERNAME and $MEMCACHE_PASSWORD it
logs in.

    bmemcached_client.py HOST PORT SERVER
"""

import os
import sys
import threading
import time

import bmemcached
from bmemcached.exceptions import MemcachedException
from expect import eventually, expect, expect_exclusion

HOST, PORT, SERVER = sys.argv[1:]
LOGIN = {"username": os.environ.get("MEMCACHE_USERNAME"), "password": os.environ.get("MEMCACHE_PASSWORD")}


def connect(client=bmemcached.Client):
    # The only option that is not its default: 3 s, which a busy machine may need.
    return client([f"{HOST}:{PORT}"], socket_timeout=300, **LOGIN)


def store(mc):
    expect("get of nothing", mc.get("k"), None)
    expect("get with a default", mc.get("k", "default"), "default")
    expect("replace of nothing", mc.replace("k", "x"), False)
    for value in ("text, ü", b"bytes \x00\xff\r\n", 42, 2**70, True, 1.5, {"any": ["object", None]}, "", b""):
        expect("set", mc.set("k", value), True)
        expect("get", (type(mc.get("k")), mc.get("k")), (type(value), value))
    expect("add of what is there", mc.add("k", "other"), False)
    expect("replace", mc.replace("k", "value"), True)
    expect("get", mc.get("k"), "value")
    expect("set of a large value", mc.set("large", os.urandom(1_000_000), compress_level=0), True)
    expect("get of it", len(mc.get("large")), 1_000_000)
    expect("set of a compressed value", mc.set("compressed", "x" * 2_000_000), True)
    expect("get of it", mc.get("compressed"), "x" * 2_000_000)
    expect("delete", mc.delete("k"), True)
    expect("delete of nothing", mc.delete("k"), True)
    try:
        mc.set("large", os.urandom(1_100_000), compress_level=0)
        sys.exit("set of what is too large: no error")
    except MemcachedException as error:
        expect("its error", error.code, 3)
    expect("get of what it has replaced", mc.get("large"), None)


def store_many(mc):
    """Many values are stored with quiet sets and a noop, and read with quiet gets and a loud one."""
    values = {f"m{i}": f"value {i}" for i in range(500)}
    expect("set_multi", mc.set_multi(values), [])
    expect("get_multi", mc.get_multi([*values, "nothing"]), values)
    expect("get_multi that ends with a hit", mc.get_multi(["nothing", "m1"]), {"m1": "value 1"})
    value, token = mc.get_multi(["m1"], get_cas=True)["m1"]
    expect("its id", (value, token > 0), ("value 1", True))
    expect("set_multi that is to add", mc.set_multi({("m1", 0): "other", ("new", 0): "new"}), [("m1", 0)])
    expect("set_multi with an id", mc.set_multi({("m1", token): "swapped"}), [])
    expect("set_multi with an old id", [key for key, _ in mc.set_multi({("m1", token): "late"})], ["m1"])
    expect("get_multi", mc.get_multi(["m1", "new"]), {"m1": "swapped", "new": "new"})
    expect("delete_multi", mc.delete_multi([*values, "new"]), True)
    expect("delete_multi of nothing", mc.delete_multi(values), False)
    expect("get_multi", mc.get_multi(values), {})


def compare_and_swap(mc):
    mc.set("k", "a")
    value, token = mc.gets("k")
    expect("gets", value, "a")
    expect("cas", mc.cas("k", "b", token), True)
    expect("cas that is late", mc.cas("k", "c", token), False)
    expect("cas of nothing", mc.cas("nothing", "c", token), False)
    expect("gets of nothing", mc.gets("nothing"), (None, None))
    expect("cas without an id, an add", (mc.cas("k2", "new", None), mc.cas("k2", "newer", None)), (True, False))


def count(mc):
    expect("incr of nothing", mc.incr("n", 5, default=40), 40)
    expect("incr", mc.incr("n", 5), 45)
    expect("decr", mc.decr("n", 3), 42)
    expect("decr below 0", mc.decr("n", 50), 0)
    expect("decr of nothing", mc.decr("down", 1, default=7), 7)
    mc.set("n", 2**64 - 1)
    expect("incr beyond the largest", mc.incr("n", 3), 2)
    expect("get", mc.get("n"), 2)
    mc.set("n", "word")
    try:
        mc.incr("n", 1)
        sys.exit("incr of a word: no error")
    except MemcachedException as error:
        expect("its error", error.code, 6)


def lock(alice, bob):
    expect("add", alice.add("lock:job", "alice", 30), True)
    value, token = alice.gets("lock:job")
    expect("add of a held lock", bob.add("lock:job", "bob", 30), False)
    expect("delete with another id", bob.delete("lock:job", cas=token + 1), False)
    expect("it is held still", bob.get("lock:job"), "alice")
    expect("renewal", alice.cas("lock:job", "alice", token, 60), True)
    expect("delete with the id before it", alice.delete("lock:job", cas=token), False)
    expect("delete with the id after it", alice.delete("lock:job", cas=alice.gets("lock:job")[1]), True)
    expect("add when it is free", bob.add("lock:job", "bob", 30), True)
    expect("ids rise", bob.gets("lock:job")[1] > token, True)
    expect("delete of a hold that is over", alice.delete("lock:job", cas=token), False)
    expect("delete", bob.delete("lock:job"), True)


def expire(alice, bob):
    expect("a lock that expires", alice.add("short", "alice", 1), True)
    eventually("it has expired", lambda: bob.add("short", "bob", 30))
    expect("a lock that ends at a date", bob.add("date", "bob", int(time.time()) + 1), True)
    eventually("it has expired", lambda: alice.add("date", "alice", 30))


def administer(mc):
    told = mc.stats()[f"{HOST}:{PORT}"]
    expect("stats", {"curr_connections", "get_hits", "evictions", "version"} <= told.keys(), True)
    told = mc.stats("settings")[f"{HOST}:{PORT}"]
    expect("stats of the settings", told["maxconns"], b"1024")
    expect("flush_all", mc.flush_all(), True)
    expect("get after it", mc.get("compressed"), None)
    mc.disconnect_all()
    expect("set after disconnect_all, which connects anew", mc.set("k", "x"), True)


def wait_in_line(alice, bob):
    """What only lockcached can do: a claim that waits, keys and stats that tell of a lock."""
    alice.add("lock:line", "alice", 60)
    _, token = alice.gets("lock:line")
    served = []
    claim = threading.Thread(target=lambda: served.append(bob.add("lockcached:wait=5m:lock:line", "bob", 60)))
    claim.start()
    eventually("bob waits", lambda: " queued=1 " in alice.get("lockcached:lock:lock:line"))
    expect("a time to come back", alice.get("lockcached:retry:lock:line").isdigit(), True)
    expect("delete hands the lock over", alice.delete("lock:line", cas=token), True)
    claim.join()
    expect("bob's claim", served, [True])
    told = alice.stats("lock lock:line")[f"{HOST}:{PORT}"]
    expect("stats of the lock", (told["held"], told["owner"], told["handed_off"]), (b"1", b"bob", b"1"))


mc = connect()
store(mc)
store_many(mc)
compare_and_swap(mc)
count(mc)
lock(mc, connect())
expire(mc, connect())
expect_exclusion(connect)
distributed = connect(bmemcached.DistributedClient)
store_many(distributed)
lock(distributed, mc)
if SERVER == "lockcached":
    wait_in_line(mc, connect())
administer(mc)
