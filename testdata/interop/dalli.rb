# Plays the commands of Dalli, which speaks the binary protocol, against the server at HOST PORT, and ends with an error at
# the first surprise. SERVER is memcached, or lockcached, which is asked for more. With $MEMCACHE_USERNAME and
# $MEMCACHE_PASSWORD, which Dalli reads itself, it logs in.
#
#     dalli.rb HOST PORT SERVER

require 'dalli'
require_relative 'expect'

HOST, PORT, SERVER = ARGV
PATIENT = { socket_timeout: 300 }.freeze # the only option that is not its default: 1 s, which a busy machine may need

def connect(options = {})
  Dalli::Client.new("#{HOST}:#{PORT}", PATIENT.merge(options))
end

def store(mc)
  expect 'get of nothing', mc.get('k'), nil
  expect 'replace of nothing', mc.replace('k', 'x'), 0
  expect 'append to nothing', mc.append('k', 'x'), false
  expect 'set returns an id', mc.set('k', { 'any' => [:object, nil, 1.5] }).positive?, true
  expect 'get', mc.get('k'), { 'any' => [:object, nil, 1.5] }
  expect 'add of what is there', mc.add('k', 'other'), false
  expect 'replace', mc.replace('k', 'b', nil, raw: true).positive?, true
  expect 'append', mc.append('k', 'c'), true
  expect 'prepend', mc.prepend('k', 'a'), true
  expect 'get of a raw value', mc.get('k', raw: true), 'abc'
  expect 'set of an empty value', mc.set('empty', '', nil, raw: true).positive?, true
  expect 'get of it', mc.get('empty'), ''
  expect 'fetch', mc.fetch('fetched', 60) { 'made' }, 'made'
  expect 'fetch of what is there', mc.fetch('fetched', 60) { 'made again' }, 'made'
  mc.set('compressed', 'x' * 1_000_000, nil, compress: true)
  expect 'get of it', mc.get('compressed'), 'x' * 1_000_000
  bytes = Random.bytes(1_000_000)
  mc.set('large', bytes, nil, raw: true, compress: false)
  expect 'get of a large value', mc.get('large') == bytes, true
  expect 'delete', mc.delete('k'), true
  expect 'delete of nothing', mc.delete('k'), nil
end

# Dalli reads many values with quiet gets and one noop, and stores many with quiet sets.
def store_many(mc)
  mc.multi do
    500.times { |i| mc.set("m#{i}", i) }
    mc.delete('m0')
    mc.add('m1', 'other')
    mc.replace('m0', 'other')
  end
  found = mc.get_multi((0..500).map { |i| "m#{i}" })
  expect 'get_multi', found, (1..499).to_h { |i| ["m#{i}", i] }
  expect 'get_multi_cas', mc.get_multi_cas('m1', 'm2').transform_values { |_, cas| cas.positive? }, { 'm1' => true, 'm2' => true }
end

def compare_and_swap(mc)
  mc.set('k', 'a')
  expect('cas', mc.cas('k') { |value| "#{value}b" }.positive?, true)
  interrupted = mc.cas('k') do |value|
    mc.set('k', 'somebody else')
    "#{value}c"
  end
  expect 'cas that is late', interrupted, false
  expect('cas of nothing', mc.cas('nothing') { 'x' }, nil)
  value, id = mc.get_cas('k')
  expect 'get_cas', value, 'somebody else'
  newer = mc.set_cas('k', 'b', id)
  expect 'set_cas returns another id', [0, id].include?(newer), false # no larger one: Dalli reads its bytes backwards
  expect 'set_cas with the old one', mc.set_cas('k', 'c', id), false
  expect 'replace_cas with it', mc.replace_cas('k', 'c', id), false
  newest = mc.replace_cas('k', 'c', newer)
  expect 'get_cas', mc.get_cas('k'), ['c', newest]
end

def count(mc)
  expect 'incr of nothing', mc.incr('n'), nil
  expect 'incr with a default', mc.incr('n', 1, 60, 40), 40
  expect 'incr', mc.incr('n', 5), 45
  expect 'decr', mc.decr('n', 3), 42
  expect 'decr below 0', mc.decr('n', 50), 0
  expect 'decr with a default', mc.decr('down', 1, 60, 7), 7
  expect 'incr to the largest', mc.incr('big', 1, nil, 2**64 - 1), 2**64 - 1
  expect 'incr beyond it', mc.incr('big', 3), 2
  mc.set('word', 'word', nil, raw: true)
  begin
    mc.incr('word')
    abort 'incr of a word: no error'
  rescue Dalli::DalliError => e
    expect 'its error', e.message, 'Response error 6: Incr/decr on a non-numeric value'
  end
end

def expire(mc)
  expect 'touch of nothing', mc.touch('t', 60), nil
  expect 'gat of nothing', mc.gat('t', 60), nil
  mc.set('t', 'value', 1)
  expect 'touch', mc.touch('t', 600), true
  mc.set('g', 'value', 1)
  expect 'gat', mc.gat('g', 600), 'value'
  mc.set('short', 'value', 1)
  eventually('an item has expired') { mc.get('short').nil? }
  expect 'what was touched', mc.get_multi('t', 'g'), { 't' => 'value', 'g' => 'value' }
  expect 'what is to live until a date', [mc.set('date', 'x', Time.now.to_i + 60).positive?, mc.get('date')], [true, 'x']
end

# The lock that is taken with add and ended with delete_cas: it ends one's own hold only.
def lock(alice, bob)
  token = alice.add('lock:job', 'alice', 30)
  expect 'add returns an id', token.positive?, true
  expect 'it is the item\'s', bob.get_cas('lock:job'), ['alice', token]
  expect 'add of a held lock', bob.add('lock:job', 'bob', 30), false
  expect 'delete_cas with another id', bob.delete_cas('lock:job', token + 1), false
  expect 'it is held still', bob.get('lock:job'), 'alice'
  expect 'delete_cas', alice.delete_cas('lock:job', token), true
  expect 'second delete_cas', alice.delete_cas('lock:job', token), nil
  later = bob.add('lock:job', 'bob', 30)
  expect 'each hold has its own id', [0, token].include?(later), false
  expect 'delete_cas of a hold that is over', alice.delete_cas('lock:job', token), false
  expect 'bob has it', bob.get('lock:job'), 'bob'
  renewed = bob.set_cas('lock:job', 'bob', later, 60)
  expect 'delete_cas with the id before the renewal', bob.delete_cas('lock:job', later), false
  expect 'delete_cas after the renewal', bob.delete_cas('lock:job', renewed), true
  expect 'delete', [alice.add('lock:job', 'alice', 30).positive?, alice.delete('lock:job')], [true, true]
end

# Processes that add 1 to a number in two steps, which only a lock makes one.
def exclude(mc)
  mc.set('total', 0)
  workers = Array.new(4) do
    fork do
      mine = connect
      25.times do
        token = nil
        eventually('the lock is free') { token = mine.add('lock:total', Process.pid, 60) }
        mine.set('total', mine.get('total') + 1)
        expect 'the end of one\'s own hold', mine.delete_cas('lock:total', token), true
      end
    end
  end
  workers.each { |pid| expect 'a worker\'s end', Process.wait2(pid).last.success?, true }
  expect 'the total', mc.get('total'), 100
end

def administer(mc)
  name = "#{HOST}:#{PORT}"
  expect 'version', mc.version[name].start_with?('1.6.'), true
  told = mc.stats[name]
  expect 'stats', %w[curr_connections get_hits evictions].all? { |field| told.key?(field) }, true
  expect 'stats of the settings', mc.stats(:settings)[name]['maxconns'], '1024'
  expect 'stats of the items', mc.stats(:items)[name].keys.any? { |field| field.match?(/\Aitems:\d+:number\z/) }, true
  expect 'reset_stats', mc.reset_stats, [true]
  expect 'flush_all', mc.flush_all, [true]
  expect 'get after it', mc.get_multi('m1', 'm2', 'total'), {}
  mc.close
  expect 'get after close, which connects anew', mc.get('k'), nil
end

# What only lockcached can do: a claim that waits, and keys that tell of a lock.
def wait_in_line(alice, bob)
  token = alice.add('lock:line', 'alice', 60)
  claim = Thread.new { bob.add('lockcached:wait=5m:lock:line', 'bob', 60, raw: true) }
  eventually('bob waits') { alice.get('lockcached:lock:lock:line').include?(' queued=1 ') }
  expect 'a rank in line', alice.get('lockcached:retry:lock:line').match?(/\A\d+\z/), true
  expect 'delete_cas hands the lock over', alice.delete_cas('lock:line', token), true
  expect 'bob\'s claim', [false, 0, token].include?(claim.value), false
  expect 'the lock', alice.get_cas('lock:line'), ['bob', claim.value]
end

mc = connect
store(mc)
store_many(mc)
compare_and_swap(mc)
count(mc)
expire(mc)
lock(mc, connect)
lock(connect(namespace: 'app'), connect(namespace: 'app'))
exclude(mc)
wait_in_line(mc, connect) if SERVER == 'lockcached'
administer(mc)
