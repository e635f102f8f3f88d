// Plays the commands of spymemcached over the binary protocol against the server at HOST PORT, and ends with an error at the
// first surprise. SERVER is memcached, or lockcached; of that all locks wait:* have a policy to wait.
//
//     java -cp spymemcached.jar Spymemcached.java HOST PORT SERVER

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

import net.spy.memcached.AddrUtil;
import net.spy.memcached.CASResponse;
import net.spy.memcached.CASValue;
import net.spy.memcached.ConnectionFactoryBuilder;
import net.spy.memcached.ConnectionFactoryBuilder.Protocol;
import net.spy.memcached.MemcachedClient;
import net.spy.memcached.internal.OperationFuture;

class Spymemcached {
    static String address;

    /**
     * Makes a client, which has one connection for all its threads. Besides the protocol, its only option that is not its
     * default is the timeout: 2.5 s, which a busy machine may need.
     */
    static MemcachedClient connect() throws Exception {
        ConnectionFactoryBuilder options = new ConnectionFactoryBuilder().setProtocol(Protocol.BINARY).setOpTimeout(300_000);
        return new MemcachedClient(options.build(), AddrUtil.getAddresses(address));
    }

    static void expect(String what, Object got, Object want) {
        if (!Objects.equals(got, want)) {
            System.err.println(what + ": " + got + ", want " + want);
            System.exit(1);
        }
    }

    static void eventually(String what, Callable<Boolean> holds) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(5);
        while (!holds.call()) {
            expect(what + ", in time", System.nanoTime() < deadline, true);
        }
    }

    /** Fails if there is no answer for some time, in which no wait ends by itself. */
    static boolean answer(OperationFuture<Boolean> request) throws Exception {
        return request.get(2, TimeUnit.MINUTES);
    }

    static Map<String, String> stats(MemcachedClient mc, String key) {
        return mc.getStats(key).values().iterator().next();
    }

    static void store(MemcachedClient mc) throws Exception {
        expect("get of nothing", mc.get("k"), null);
        expect("replace of nothing", mc.replace("k", 0, "x").get(), false);
        expect("append to nothing", mc.append("k", "x").get(), false);
        expect("set", mc.set("k", 60, "b").get(), true);
        expect("add of what is there", mc.add("k", 0, "x").get(), false);
        expect("append", mc.append("k", "c").get(), true);
        expect("prepend", mc.prepend("k", "a").get(), true);
        expect("get", mc.get("k"), "abc");
        for (Object value : new Object[] {"", 42, 2L << 40, true, 1.5, List.of("any", "object"), "x".repeat(1_000_000)}) {
            expect("replace", mc.replace("k", 0, value).get(), true);
            expect("get", mc.get("k"), value);
        }
        expect("delete", mc.delete("k").get(), true);
        expect("delete of nothing", mc.delete("k").get(), false);
    }

    /** Many requests share a connection; spymemcached makes quiet gets and a noop of those that are not sent yet. */
    static void multiplex(MemcachedClient mc) throws Exception {
        Map<String, Object> values = new HashMap<>();
        List<OperationFuture<Boolean>> sets = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            values.put("m" + i, "value " + i);
            sets.add(mc.set("m" + i, 0, "value " + i));
        }
        for (OperationFuture<Boolean> set : sets) {
            expect("a set of many", set.get(), true);
        }
        List<String> keys = new ArrayList<>(values.keySet());
        keys.add("nothing");
        expect("getBulk", mc.getBulk(keys), values);
    }

    static void compareAndSwap(MemcachedClient mc) throws Exception {
        mc.set("k", 0, "a").get();
        CASValue<Object> first = mc.gets("k");
        expect("cas", mc.cas("k", first.getCas(), "b"), CASResponse.OK);
        expect("cas that is late", mc.cas("k", first.getCas(), "c"), CASResponse.EXISTS);
        expect("cas of nothing", mc.cas("nothing", first.getCas(), "c"), CASResponse.NOT_FOUND);
        CASValue<Object> second = mc.getAndTouch("k", 60);
        expect("getAndTouch", second.getValue(), "b");
        expect("append with an old id", mc.append(first.getCas(), "k", "x").get(), false);
        expect("append with the newest", mc.append(second.getCas(), "k", "c").get(), true);
        expect("get", mc.get("k"), "bc");
    }

    static void count(MemcachedClient mc) throws Exception {
        expect("incr of nothing", mc.incr("n", 1), -1L);
        expect("incr with a default", mc.incr("n", 1, 40), 40L);
        expect("incr", mc.incr("n", 5), 45L);
        expect("decr below 0", mc.decr("n", 50), 0L);
        mc.set("n", 0, "word").get();
        OperationFuture<Long> failed = mc.asyncIncr("n", 1);
        expect("incr of a word", List.of(failed.get(), failed.getStatus().isSuccess()), List.of(-1L, false));
    }

    static void lock(MemcachedClient alice, MemcachedClient bob) throws Exception {
        OperationFuture<Boolean> claim = alice.add("lock:job", 30, "alice");
        expect("add", claim.get(), true);
        expect("the id that it returns", claim.getCas(), bob.gets("lock:job").getCas());
        expect("add of a held lock", bob.add("lock:job", 30, "bob").get(), false);
        expect("touch", alice.touch("lock:job", 60).get(), true);
        expect("delete with another id", bob.delete("lock:job", claim.getCas() + 1).get(), false);
        expect("it is held still", bob.get("lock:job"), "alice");
        expect("delete with its id", alice.delete("lock:job", claim.getCas()).get(), true);
        expect("add when it is free", bob.add("lock:job", 30, "bob").get(), true);
        expect("delete of a hold that is over", alice.delete("lock:job", claim.getCas()).get(), false);
        expect("delete", bob.delete("lock:job").get(), true);
        expect("a lock that expires", alice.add("short", 1, "alice").get(), true);
        eventually("it has expired", () -> bob.add("short", 30, "bob").get());
    }

    /** Threads add 1 to a number in two steps, which only a lock makes one. Two of them share each client. */
    static void exclude(String lock, MemcachedClient... clients) throws Exception {
        clients[0].set("total", 0, 0).get();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            MemcachedClient mine = clients[i % clients.length];
            Thread thread = new Thread(() -> work(lock, mine));
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) {
            thread.join();
        }
        expect("the total", clients[0].get("total"), 100);
    }

    static void work(String lock, MemcachedClient mine) {
        try {
            for (int i = 0; i < 25; i++) {
                eventually("the lock is free", () -> mine.add(lock, 60, "mine").get());
                expect("set", mine.set("total", 0, (Integer) mine.get("total") + 1).get(), true);
                expect("the end of the lock", mine.delete(lock).get(), true);
            }
        } catch (Exception e) {
            expect("a thread's end", e, null);
        }
    }

    /** A claim that waits gives way to what comes after it on its connection, which may be what the lock ends with. */
    static void waitWithoutDeadlock(MemcachedClient alice, MemcachedClient bob) throws Exception {
        OperationFuture<Boolean> first = alice.add("wait:own", 60, "first"), second = alice.add("wait:own", 60, "second");
        expect("the first claim", answer(first), true);
        expect("the end of the lock", answer(alice.delete("wait:own")), true);
        expect("the second claim", answer(second), false);

        expect("alice's claim", alice.add("wait:job", 60, "alice").get(), true);
        OperationFuture<Boolean> earlier = bob.add("wait:job", 60, "earlier"), later = bob.add("wait:job", 60, "later");
        expect("bob's earlier claim", answer(earlier), false);
        eventually("bob's later claim waits", () -> stats(alice, "lock wait:job").get("queued").equals("1"));
        expect("alice's delete", alice.delete("wait:job").get(), true);
        expect("bob's later claim", later.get(), true);
        expect("the holder", alice.get("wait:job"), "later");

        exclude("wait:total", alice, bob);
    }

    static void administer(MemcachedClient mc) throws Exception {
        expect("getVersions", mc.getVersions().values().iterator().next().startsWith("1.6."), true);
        expect("getStats", mc.getStats().values().iterator().next().containsKey("curr_connections"), true);
        expect("getStats of the settings", stats(mc, "settings").get("maxconns"), "1024");
        expect("flush", mc.flush().get(), true);
        expect("get after it", mc.get("total"), null);
    }

    public static void main(String[] args) throws Exception {
        System.setProperty("net.spy.log.LoggerImpl", "net.spy.memcached.compat.log.SunLogger");
        java.util.logging.Logger.getLogger("net.spy").setLevel(java.util.logging.Level.WARNING);
        address = args[0] + ":" + args[1];
        MemcachedClient alice = connect(), bob = connect();
        store(alice);
        multiplex(alice);
        compareAndSwap(alice);
        count(alice);
        lock(alice, bob);
        exclude("lock:total", alice, bob);
        if (args[2].equals("lockcached")) {
            waitWithoutDeadlock(alice, bob);
        }
        administer(alice);
        alice.shutdown();
        bob.shutdown();
    }
}
