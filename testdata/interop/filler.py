"""Gets KEY with pymemcache from the server at HOST PORT again and again. If it is missing, computes it and stores it for TTL
seconds: computing takes until a line comes in, which says "store" if a value is to be stored. Prints what happens, with times
in nanoseconds on the machine's monotonic clock:

    hit ASKED TOLD VALUE
    miss ASKED TOLD
    stored ASKED TOLD VALUE

    filler.py HOST PORT KEY TTL
"""

import os
import sys
import time

from pymemcache.client.base import Client

HOST, PORT, KEY, TTL = sys.argv[1:]


def tell(what, asked, *value):
    print(what, asked, time.monotonic_ns(), *value, flush=True)


mc = Client((HOST, int(PORT)))
computed = 0
while True:
    asked = time.monotonic_ns()
    value = mc.get(KEY)
    if value is not None:
        tell("hit", asked, value.decode())
    else:
        tell("miss", asked)
        if sys.stdin.readline() == "store\n":
            computed += 1
            value = f"{os.getpid()}-{computed}"
            asked = time.monotonic_ns()
            mc.set(KEY, value, int(TTL), noreply=False)
            tell("stored", asked, value)
    time.sleep(0.02)
