"""Plays the commands of pylibmc, which are libmemcached's, over the binary protocol against the server at HOST PORT, and
ends with an error at the first surprise. SERVER is memcached, or lockcached, which is asked for more. With $MEMCACHE_USERNAME
and $MEMCACHE_PASSWORD it logs in.

    pylibmc_client.py HOST PORT SERVER
"""

import os
import sys
import threading

import pylibmc
from expect import eventually, expect, expect_exclusion

HOST, PORT, SERVER = sys.argv[1:]
LOGIN = {"username": os.environ.get("MEMCACHE_USERNAME"), "password": os.environ.get("MEMCACHE_PASSWORD")}


def connect(**behaviors):
    # The only option that is not its default: 5 s, which a busy machine may need.
    behaviors = {"_poll_timeout": 300_000, **behaviors}
    return pylibmc.Client([f"{HOST}:{PORT}"], binary=True, behaviors=behaviors, **LOGIN)


def expect_error(what, error, call):
    try:
        sys.exit(f"{what}: {call()!r} and no error")
    except error:
        pass


def store(mc):
    expect("get of nothing", mc.get("k"), None)
    expect_error("replace of nothing", pylibmc.NotFound, lambda: mc.replace("k", "x"))
    expect("append to nothing", mc.append("k", "x"), False)
    for value in ("text, ü", b"bytes \x00\xff\r\n", 42, 2**70, 1.5, {"any": ["object", None]}, "", b""):
        expect("set", mc.set("k", value), True)
        expect("get", (type(mc.get("k")), mc.get("k")), (type(value), value))
    expect("add of what is there", mc.add("k", "other"), False)
    expect("replace", mc.replace("k", "b"), True)
    expect("append", mc.append("k", "c"), True)
    expect("prepend", mc.prepend("k", "a"), True)
    expect("get", mc.get("k"), "abc")
    expect("a compressed value", mc.set("compressed", "x" * 2_000_000, min_compress_len=1000), True)
    expect("get of it", mc.get("compressed"), "x" * 2_000_000)
    expect("a large value", mc.set("large", os.urandom(1_000_000)), True)
    expect("get of it", len(mc.get("large")), 1_000_000)
    expect_error("set of what is too large", pylibmc.TooBig, lambda: mc.set("large", os.urandom(1_100_000)))
    expect("get of what it has replaced", mc.get("large"), None)
    expect("delete", mc.delete("k"), True)
    expect("delete of nothing", mc.delete("k"), False)


def store_many(mc):
    values = {f"m{i}": i for i in range(500)}
    expect("set_multi", mc.set_multi(values), [])
    expect("get_multi", mc.get_multi([*values, "nothing"]), values)
    expect("add_multi", sorted(mc.add_multi({"m1": "other", "new": "new"})), ["m1"])
    expect("incr_multi", mc.incr_multi(["m1", "m2"], delta=10), None)
    expect("get_multi", mc.get_multi(["m1", "m2", "new"]), {"m1": 11, "m2": 12, "new": "new"})
    expect("delete_multi", mc.delete_multi([*values, "new"]), True)
    expect("delete_multi of nothing", mc.delete_multi(["m1"]), False)
    expect("get_multi", mc.get_multi([*values]), {})


def compare_and_swap(mc):
    mc.set("k", "a")
    value, token = mc.gets("k")
    expect("gets", value, "a")
    expect("cas", mc.cas("k", "b", token), True)
    expect("cas that is late", mc.cas("k", "c", token), False)
    expect("get", mc.get("k"), "b")
    expect_error("cas of nothing", pylibmc.NotFound, lambda: mc.cas("nothing", "c", token))
    expect("gets of nothing", mc.gets("nothing"), (None, None))


def count(mc):
    expect_error("incr of nothing", pylibmc.NotFound, lambda: mc.incr("n"))
    mc.set("n", 40)
    expect("incr", mc.incr("n", 5), 45)
    expect("decr", mc.decr("n", 3), 42)
    expect("decr below 0", mc.decr("n", 50), 0)
    mc.set("n", "word")
    expect_error("incr of a word", pylibmc.Error, lambda: mc.incr("n"))


def expire(alice, bob):
    expect("touch of nothing", alice.touch("t", 60), False)
    alice.set("t", "value", 1)
    expect("touch", alice.touch("t", 600), True)
    expect("a lock that expires", alice.add("short", "alice", 1), True)
    eventually("it has expired", lambda: bob.add("short", "bob", 30))
    expect("what was touched", bob.get("t"), "value")


def lock(alice, bob):
    expect("add", alice.add("lock:job", "alice", 30), True)
    expect("add of a held lock", bob.add("lock:job", "bob", 30), False)
    _, token = bob.gets("lock:job")
    expect("touch", alice.touch("lock:job", 60), True)
    expect("delete", alice.delete("lock:job"), True)
    expect("second delete", alice.delete("lock:job"), False)
    expect("add when it is free", bob.add("lock:job", "bob", 30), True)
    value, later = alice.gets("lock:job")
    expect("gets, where ids rise", (value, later > token), ("bob", True))
    expect("cas of a hold that is over", alice.cas("lock:job", "alice", token), False)
    expect("renewal by cas", bob.cas("lock:job", "bob", later, 60), True)
    expect("delete", bob.delete("lock:job"), True)


def administer(mc):
    [(_, told)] = mc.get_stats()
    expect("get_stats", (told["version"][:4], int(told["curr_connections"]) > 0, int(told["get_hits"]) > 0), (b"1.6.", True, True))
    expect("flush_all", mc.flush_all(), True)
    expect("get after it", mc.get("compressed"), None)
    mc.disconnect_all()
    expect("set after disconnect_all, which connects anew", mc.clone().set("k", "x") and mc.set("k", "x"), True)


def wait_in_line(alice, bob):
    """What only lockcached can do: a claim that waits, and keys that tell of a lock."""
    alice.add("lock:line", "alice", 60)
    served = []
    claim = threading.Thread(target=lambda: served.append(bob.add("lockcached:wait=5m:lock:line", "bob", 60)))
    claim.start()
    eventually("bob waits", lambda: b" queued=1 " in alice.get("lockcached:lock:lock:line"))
    expect("a time to come back", alice.get("lockcached:retry:lock:line").isdigit(), True)
    expect("delete hands the lock over", alice.delete("lock:line"), True)
    claim.join()
    expect("bob's claim", served, [True])
    expect("the lock", alice.get("lock:line"), "bob")


mc = connect(cas=True)
store(mc)
store_many(mc)
compare_and_swap(mc)
count(mc)
expire(mc, connect())
lock(mc, connect(cas=True))
lock(connect(cas=True, no_block=True, tcp_nodelay=True), mc)
expect_exclusion(connect)
if SERVER == "lockcached":
    wait_in_line(mc, connect())
administer(mc)
