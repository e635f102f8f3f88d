"""Plays pymemcache's commands against the server at HOST PORT, and ends with an error at the first surprise. SERVER is
memcached, or lockcached, which is asked for more. With CA CERT KEY it speaks TLS and shows that certificate.

    client.py HOST PORT SERVER [CA CERT KEY]
"""

import ssl
import sys

from expect import expect
from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheClientError


def store(mc):
    expect("set", mc.set("k", "value"), True)
    expect("get", mc.get("k"), b"value")
    expect("add of what is there", mc.add("k", "other"), False)
    expect("replace", mc.replace("k", "b"), True)
    expect("append", mc.append("k", "c"), True)
    expect("prepend", mc.prepend("k", "a"), True)
    expect("get", mc.get("k"), b"abc")
    expect("replace of nothing", mc.replace("nothing", "x"), False)
    expect("set_many", mc.set_many({"m1": "1", "m2": "2"}), [])
    expect("get_many", mc.get_many(["m1", "m2", "m3"]), {"m1": b"1", "m2": b"2"})
    expect("gets_many", sorted(mc.gets_many(["m1", "m2"])), ["m1", "m2"])
    expect("delete_many", mc.delete_many(["m1", "m2"]), True)
    expect("get_many", mc.get_many(["m1", "m2"]), {})


def compare_and_swap(mc):
    mc.set("k", "a")
    _, token = mc.gets("k")
    expect("cas", mc.cas("k", "b", token), True)
    expect("cas that is late", mc.cas("k", "c", token), False)
    expect("cas of nothing", mc.cas("nothing", "c", token), None)


def count(mc):
    expect("incr of nothing", mc.incr("n", 1), None)
    mc.set("n", "8")
    expect("incr", mc.incr("n", 4), 12)
    expect("decr", mc.decr("n", 2), 10)
    expect("decr below 0", mc.decr("n", 20), 0)
    mc.set("n", "word")
    try:
        mc.incr("n", 1)
        sys.exit("incr of a word: no error")
    except MemcacheClientError:
        pass


def lock(mc, other):
    expect("add", mc.add("lock:job", "alice", expire=30), True)
    expect("add of a held lock", other.add("lock:job", "bob", expire=30), False)
    expect("touch", mc.touch("lock:job", 60), True)
    expect("delete", mc.delete("lock:job"), True)
    expect("second delete", mc.delete("lock:job"), False)
    expect("touch of nothing", mc.touch("lock:job", 60), False)


def look_at_lock(mc):
    """What only lockcached tells."""
    told = mc.stats("lock", "lock:job")
    expect("stats lock", [told[b"held"], told[b"acquired"], told[b"refused"]], [0, 1, 1])


def without_reply(mc):
    mc.set("quiet", "1", noreply=True)
    mc.incr("quiet", 1, noreply=True)
    mc.add("quiet", "9", noreply=True)
    mc.delete("nothing", noreply=True)
    expect("get", mc.get("quiet"), b"2")


def administer(mc):
    expect("version", mc.version().startswith(b"1.6."), True)
    told = mc.stats()
    expect("stats", told[b"curr_connections"], 2)
    expect("stats settings", mc.stats("settings")[b"maxconns"], 1024)
    expect("flush_all", mc.flush_all(), True)
    expect("get after it", mc.get("k"), None)


def secure(ca, cert, key):
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(cert, key)
    return context


def main(host, port, server, *files):
    tls = secure(*files) if files else None
    mc, other = (Client((host, int(port)), default_noreply=False, timeout=5, tls_context=tls) for _ in range(2))
    store(mc)
    compare_and_swap(mc)
    count(mc)
    lock(mc, other)
    if server == "lockcached":
        look_at_lock(mc)
    without_reply(mc)
    administer(mc)
    mc.quit()


main(*sys.argv[1:])
