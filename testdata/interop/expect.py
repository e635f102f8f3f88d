"""What the checks in Python share."""

import multiprocessing
import sys
import time


def expect(what, got, want):
    """Ends the script unless a call returned what memcached makes it return."""
    if got != want:
        sys.exit(f"{what}: {got!r}, want {want!r}")


def eventually(what, holds):
    """Asks until something is so, for as long as a test is patient."""
    deadline = time.monotonic() + 300
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"never: {what}")
        time.sleep(0.001)


def expect_exclusion(connect):
    """Lets processes add 1 to a number in two steps, which only a lock makes one. connect makes a client."""

    def work():
        mc = connect()
        for _ in range(25):
            eventually("the lock is free", lambda: mc.add("lock:total", "mine", 60))
            mc.set("total", mc.get("total") + 1)
            expect("the end of the lock", mc.delete("lock:total"), True)

    connect().set("total", 0)
    workers = [multiprocessing.Process(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        expect("a worker's end", worker.exitcode, 0)
    expect("the total", connect().get("total"), 100)
