// Plays the commands of memjs, which speaks the binary protocol, against the server at HOST PORT, and ends with an error at the
// first surprise. SERVER is memcached, or lockcached; of that all locks wait:* have a policy to wait. With $MEMCACHE_USERNAME
// and $MEMCACHE_PASSWORD, which memjs reads itself, it logs in.
//
//     client.js HOST PORT SERVER

'use strict';

const { randomBytes } = require('crypto');
const { isDeepStrictEqual, inspect } = require('util');
const { Client } = require('memjs');

const [host, port, server] = process.argv.slice(2);

// connect makes a client, which has one connection for all its requests. Its only option that is not its default is the
// timeout: after 0.5 s it would close the connection and ask anew, and so hide an answer that never comes.
function connect() {
  return Client.create(`${host}:${port}`, { timeout: 300 });
}

function expect(what, got, want) {
  if (!isDeepStrictEqual(got, want)) {
    console.error(`${what}: ${inspect(got)}, want ${inspect(want)}`);
    process.exit(1);
  }
}

async function expectError(what, call, want) {
  try {
    expect(what, await call, 'an error');
  } catch (error) {
    expect(what, error.message, want);
  }
}

async function eventually(what, holds) {
  for (const deadline = Date.now() + 300_000; !(await holds()); ) {
    expect(`${what}, in time`, Date.now() < deadline, true);
  }
}

// answered fails if there is no answer for some time, in which no wait ends by itself.
function answered(answer) {
  const late = new Promise((_, reject) => {
    setTimeout(reject, 120_000, new Error('no answer')).unref();
  });
  return Promise.race([answer, late]);
}

async function get(mc, key) {
  const { value } = await mc.get(key);
  return value && value.toString();
}

// stats makes a promise of memjs's last calls with a callback.
function stats(mc, key) {
  return new Promise((resolve, reject) => {
    mc.statsWithKey(key, (error, _, told) => (error ? reject(error) : resolve(told)));
  });
}

async function store(mc) {
  expect('get of nothing', await mc.get('k'), { value: null, flags: null });
  expect('replace of nothing', await mc.replace('k', 'x'), false);
  await expectError('append to nothing', mc.append('k', 'x'), 'MemJS APPEND: Item not stored');
  expect('set', await mc.set('k', 'b', { expires: 60 }), true);
  expect('add of what is there', await mc.add('k', 'x', {}), false);
  expect('append', await mc.append('k', 'c'), true);
  expect('get', await get(mc, 'k'), 'bc'); // and no prepend: in memjs 1.3.2 it appends
  expect('replace', await mc.replace('k', ''), true);
  expect('get of an empty value', await get(mc, 'k'), '');
  const large = randomBytes(1_000_000);
  expect('set of a large value', await mc.set('large', large, {}), true);
  expect('get of it', (await mc.get('large')).value.equals(large), true);
  await expectError('set of what is too large', mc.set('large', randomBytes(1_100_000), {}), 'MemJS SET: Value too large');
  expect('get of what it has replaced', await get(mc, 'large'), null);
  expect('delete', await mc.delete('k'), true);
  expect('delete of nothing', await mc.delete('k'), false);
}

async function count(mc) {
  expect('increment of nothing', await mc.increment('n', 5, { initial: 40 }), { success: true, value: 40 });
  expect('increment', await mc.increment('n', 5, {}), { success: true, value: 45 });
  expect('decrement', await mc.decrement('n', 50, {}), { success: true, value: 0 });
  await mc.set('n', 'word', {});
  await expectError('increment of a word', mc.increment('n', 1, {}), 'MemJS INCREMENT: Incr/Decr on non-numeric value');
}

async function expire(mc) {
  expect('touch of nothing', await mc.touch('t', 60), false);
  await mc.set('t', 'value', { expires: 1 });
  expect('touch', await mc.touch('t', 600), true);
  await mc.add('short', 'value', { expires: 1 });
  await eventually('an item has expired', async () => (await get(mc, 'short')) === null);
  expect('what was touched', await get(mc, 't'), 'value');
}

// The answers to requests that share a connection come back to whoever asked.
async function multiplex(mc) {
  const keys = Array.from({ length: 500 }, (_, i) => `m${i}`);
  expect('sets at once', new Set(await Promise.all(keys.map((key) => mc.set(key, key, {})))), new Set([true]));
  expect('gets at once', await Promise.all(keys.map((key) => get(mc, key))), keys);
  expect('deletes at once', new Set(await Promise.all(keys.map((key) => mc.delete(key)))), new Set([true]));
}

async function lock(alice, bob) {
  expect('add', await alice.add('lock:job', 'alice', { expires: 30 }), true);
  expect('add of a held lock', await bob.add('lock:job', 'bob', { expires: 30 }), false);
  expect('its holder', await get(bob, 'lock:job'), 'alice');
  expect('touch', await alice.touch('lock:job', 60), true);
  expect('delete', await alice.delete('lock:job'), true);
  expect('second delete', await alice.delete('lock:job'), false);
  expect('add when it is free', await bob.add('lock:job', 'bob', { expires: 30 }), true);
  const adds = Array.from({ length: 20 }, (_, i) => (i % 2 ? alice : bob).add('lock:one', String(i), {}));
  expect('adds at once', (await Promise.all(adds)).filter((won) => won).length, 1);
}

// Tasks add 1 to a number in two steps, which only a lock makes one. Two tasks share each connection.
async function exclude(mc, prefix) {
  await mc.set('total', '0', {});
  const task = async (mine) => {
    for (let i = 0; i < 25; i++) {
      await eventually('the lock is free', () => mine.add(`${prefix}:total`, 'mine', { expires: 60 }));
      await mine.set('total', String(Number(await get(mine, 'total')) + 1), {});
      expect('the end of the lock', await mine.delete(`${prefix}:total`), true);
    }
  };
  const other = connect();
  await Promise.all([mc, mc, other, other].map(task));
  expect('the total', await get(mc, 'total'), '100');
  other.close();
}

// A claim that waits gives way to what comes after it on its connection, which may be what the lock ends with.
async function waitWithoutDeadlock(alice, bob) {
  const claims = [alice.add('wait:own', 'first', { expires: 60 }), alice.add('wait:own', 'second', { expires: 60 })];
  expect('the first claim', await claims[0], true);
  expect('the end of the lock', await answered(alice.delete('wait:own')), true);
  expect('the second claim', await answered(claims[1]), false);

  expect('alice\'s claim', await alice.add('wait:job', 'alice', { expires: 60 }), true);
  const earlier = bob.add('wait:job', 'earlier', { expires: 60 });
  const later = bob.add('wait:job', 'later', { expires: 60 });
  expect('bob\'s earlier claim', await answered(earlier), false);
  await eventually('bob\'s later claim waits', async () => (await stats(alice, 'lock wait:job')).queued === '1');
  expect('alice\'s delete', await alice.delete('wait:job'), true);
  expect('bob\'s later claim', await later, true);
  expect('the holder', await get(alice, 'wait:job'), 'later');

  await exclude(alice, 'wait');
}

// What was asked for by name does not give way.
async function waitByName(alice, bob) {
  await alice.add('lock:line', 'alice', { expires: 60 });
  const claim = bob.add('lockcached:wait=5m:lock:line', 'bob', { expires: 60 });
  const behind = get(bob, 'lock:line');
  await eventually('bob waits', async () => (await get(alice, 'lockcached:lock:lock:line')).includes(' queued=1 '));
  expect('delete hands the lock over', await alice.delete('lock:line'), true);
  expect('bob\'s claim, and what was behind it', await Promise.all([claim, behind]), [true, 'bob']);
}

async function administer(mc) {
  const told = await stats(mc, '');
  expect('stats', told.version.startsWith('1.6.') && Number(told.curr_connections) > 1, true);
  expect('stats of the settings', (await stats(mc, 'settings')).maxconns, '1024');
  expect('resetStats', await stats(mc, 'reset'), {});
  expect('flush', await mc.flush(), { [`${host}:${port}`]: true });
  expect('get after it', await get(mc, 'total'), null);
  mc.quit();
}

async function main() {
  const [alice, bob] = [connect(), connect()];
  await store(alice);
  await count(alice);
  await expire(alice);
  await multiplex(alice);
  await lock(alice, bob);
  await exclude(alice, 'lock');
  if (server === 'lockcached') {
    await waitWithoutDeadlock(alice, bob);
    await waitByName(alice, bob);
  }
  await administer(alice);
  bob.close();
}

main();
