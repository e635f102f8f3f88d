<?php
// Plays php-memcached's commands, which are libmemcached's, against the server at HOST PORT, and ends with an error at
// the first surprise. PROTOCOL is text or binary. SERVER is memcached, or lockcached, which is asked for more.
//
//     client.php PROTOCOL HOST PORT SERVER

[, $protocol, $host, $port, $server] = $argv;

function expect(string $what, mixed $got, mixed $want): void
{
    if ($got !== $want) {
        fwrite(STDERR, $what . ': ' . var_export($got, true) . ', want ' . var_export($want, true) . "\n");
        exit(1);
    }
}

function connect(array $options = []): Memcached
{
    global $host, $port, $protocol;
    $mc = new Memcached();
    $mc->setOptions($options + [
        Memcached::OPT_BINARY_PROTOCOL => $protocol === 'binary',
        Memcached::OPT_POLL_TIMEOUT => 300_000, // ms; the default is 5 s, which a busy machine may need
    ]);
    $mc->addServer($host, (int) $port);
    return $mc;
}

function store(Memcached $mc): void
{
    global $protocol;
    $mc->setOption(Memcached::OPT_COMPRESSION, false); // which append and prepend need
    expect('set', $mc->set('k', 'value'), true);
    expect('get', $mc->get('k'), 'value');
    expect('add of what is there', $mc->add('k', 'other'), false);
    expect('its result', $mc->getResultCode(), $protocol === 'binary' ? Memcached::RES_DATA_EXISTS : Memcached::RES_NOTSTORED);
    expect('replace', $mc->replace('k', 'b'), true);
    expect('append', $mc->append('k', 'c'), true);
    expect('prepend', $mc->prepend('k', 'a'), true);
    expect('get', $mc->get('k'), 'abc');
    expect('get of nothing', $mc->get('nothing'), false);
    expect('its result', $mc->getResultCode(), Memcached::RES_NOTFOUND);
    expect('setMulti', $mc->setMulti(['m1' => 1, 'm2' => ['two']]), true);
    expect('getMulti', $mc->getMulti(['m1', 'm2', 'm3']), ['m1' => 1, 'm2' => ['two']]);
    expect('getDelayed', $mc->getDelayed(['m1', 'm2']), true);
    expect('fetchAll', count($mc->fetchAll()), 2);
    expect('deleteMulti', $mc->deleteMulti(['m1', 'm2']), ['m1' => true, 'm2' => true]);
    expect('a large value', $mc->set('large', str_repeat('x', 1_000_000)), true);
    expect('its length', strlen($mc->get('large')), 1_000_000);
}

function compareAndSwap(Memcached $mc): void
{
    $mc->set('k', 'a');
    $token = $mc->get('k', null, Memcached::GET_EXTENDED)['cas'];
    expect('cas', $mc->cas($token, 'k', 'b'), true);
    expect('cas that is late', $mc->cas($token, 'k', 'c'), false);
    expect('its result', $mc->getResultCode(), Memcached::RES_DATA_EXISTS);
}

function count_(Memcached $mc): void
{
    global $protocol;
    expect('increment of nothing', $mc->increment('n'), false);
    if ($protocol === 'binary') {
        expect('increment with a default', $mc->increment('n', 1, 40, 60), 40);
    }
    $mc->set('n', 8);
    expect('increment', $mc->increment('n', 4), 12);
    expect('decrement', $mc->decrement('n', 2), 10);
    expect('decrement below 0', $mc->decrement('n', 20), 0);
}

function lock(Memcached $mc, Memcached $other): void
{
    expect('add', $mc->add('lock:job', 'alice', 30), true);
    expect('add of a held lock', $other->add('lock:job', 'bob', 30), false);
    expect('touch', $mc->touch('lock:job', 60), true);
    expect('delete', $mc->delete('lock:job'), true);
    expect('second delete', $mc->delete('lock:job'), false);
    expect('its result', $mc->getResultCode(), Memcached::RES_NOTFOUND);
    expect('touch of nothing', $mc->touch('lock:job', 60), false);
    expect('add when it is free', $other->add('lock:job', 'bob', 30), true);
}

function buffered(): void
{
    $mc = connect([Memcached::OPT_BUFFER_WRITES => true, Memcached::OPT_NO_BLOCK => true]);
    for ($i = 0; $i < 100; $i++) { // from 500 on libmemcached reads answers, and aborts if one takes 50 ms
        $mc->set("buffered:$i", $i);
    }
    expect('get after buffered sets', $mc->get('buffered:99'), 99);
    $mc = connect([Memcached::OPT_NOREPLY => true]);
    $mc->set('quiet', 1);
    expect('get after a set without reply', $mc->get('quiet'), 1);
}

function administer(Memcached $mc): void
{
    global $server;
    expect('getVersion', str_starts_with(current($mc->getVersion()), '1.6.'), true);
    $told = current($mc->getStats());
    expect('getStats', isset($told['curr_connections'], $told['get_hits'], $told['evictions']), true);
    if ($server === 'lockcached') {
        $told = current($mc->getStats('lock lock:job'));
        expect('getStats of a lock', [$told['held'], $told['owner'], $told['acquired']], [1, 'bob', 2]);
    }
    expect('flush', $mc->flush(), true);
    expect('get after it', $mc->get('k'), false);
    expect('quit', $mc->quit(), true);
}

$mc = connect();
store($mc);
compareAndSwap($mc);
count_($mc);
lock($mc, connect());
buffered();
administer($mc);
