<?php
// Serves REQUESTS of one user, each of which adds 1 to a number in the session. PHP keeps the session in the server at HOST
// PORT, and has all its default settings: the binary protocol, and a lock that each request takes. A request that does not
// get it fails, and comes again when a line comes in. With HOLD each request keeps its session until a line comes in.
//
//     session.php HOST PORT REQUESTS [HOLD]

[, $host, $port, $requests] = $argv;
$hold = isset($argv[4]);

ini_set('session.save_handler', 'memcached');
ini_set('session.save_path', "$host:$port");

// Starts the session of a request, whose lock is memc.sess.key.lock.shared.
function start(): bool
{
    session_id('shared'); // a session that does not start leaves PHP without its id
    return @session_start();
}

// What is echoed would be sent before the headers of a session.
function tell(string $line): void
{
    fwrite(STDOUT, "$line\n");
}

$claiming = 0;
for ($i = 0; $i < $requests; $i++) {
    $began = hrtime(true);
    while (!start()) {
        tell('failed');
        fgets(STDIN);
    }
    $claiming += hrtime(true) - $began;
    $_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1;
    if ($hold) {
        tell('held');
        fgets(STDIN);
    }
    session_write_close();
}
tell("count {$_SESSION['count']}, claiming " . intdiv($claiming, 1_000_000) . ' ms');
