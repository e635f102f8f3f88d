<?php
// Does with php-memcached what filler.py does with pymemcache. An error other than a miss ends it.
//
//     filler.php HOST PORT KEY TTL

[, $host, $port, $key, $ttl] = $argv;

function tell(string $what, int $asked, string ...$value): void
{
    fwrite(STDOUT, implode(' ', [$what, $asked, hrtime(true), ...$value]) . "\n");
}

function expect(Memcached $mc, int $result): void
{
    if ($mc->getResultCode() !== $result) {
        fwrite(STDERR, $mc->getResultMessage() . "\n");
        exit(1);
    }
}

$mc = new Memcached();
$mc->setOption(Memcached::OPT_POLL_TIMEOUT, 300_000); // ms; the default is 5 s, which a busy machine may need
$mc->addServer($host, (int) $port);
$computed = 0;
while (true) {
    $asked = hrtime(true);
    $value = $mc->get($key);
    if ($value !== false) {
        tell('hit', $asked, $value);
    } else {
        expect($mc, Memcached::RES_NOTFOUND);
        tell('miss', $asked);
        if (fgets(STDIN) === "store\n") {
            $value = getmypid() . '-' . ++$computed;
            $asked = hrtime(true);
            $mc->set($key, $value, (int) $ttl);
            expect($mc, Memcached::RES_SUCCESS);
            tell('stored', $asked, $value);
        }
    }
    usleep(20_000);
}
