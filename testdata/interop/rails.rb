# Plays Rails' cache, which is Dalli's over the binary protocol, against the server at HOST PORT, and ends with an error at
# the first surprise. A lock is what write makes with unless_exist.
#
#     rails.rb HOST PORT

require 'active_support'
require 'active_support/cache'
require 'active_support/core_ext/numeric/time'
require_relative 'expect'

HOST, PORT = ARGV

def connect(options = {})
  ActiveSupport::Cache.lookup_store(:mem_cache_store, "#{HOST}:#{PORT}", { socket_timeout: 300 }.merge(options))
end

def store(cache)
  expect 'read of nothing', cache.read('k'), nil
  expect 'write', [cache.write('k', { a: 1 }) != false, cache.read('k')], [true, { a: 1 }]
  expect 'exist?', [cache.exist?('k'), cache.exist?('nothing')], [true, false]
  cache.write('nil', nil)
  expect 'a nil', [cache.exist?('nil'), cache.read('nil')], [true, nil]
  cache.write('a key: ü, %', 'odd')
  expect 'a key that has to be escaped', cache.read('a key: ü, %'), 'odd'
  cache.write('long' * 100, 'long')
  expect 'a key that is too long', cache.read('long' * 100), 'long'
  cache.write('large', 'x' * 2_000_000)
  expect 'a large value, compressed', cache.read('large').size, 2_000_000
  cache.write_multi('m1' => 1, 'm2' => 2)
  expect 'read_multi', cache.read_multi('m1', 'm2', 'm3'), { 'm1' => 1, 'm2' => 2 }
  expect('fetch_multi', cache.fetch_multi('m2', 'm3') { |name| "made #{name}" }, { 'm2' => 2, 'm3' => 'made m3' })
  expect 'delete_multi', cache.delete_multi(%w[m1 m2 nothing]), 2
  expect 'delete', cache.delete('k'), true
  expect 'read of what was deleted', cache.read('k'), nil
end

def count(cache)
  expect 'increment of nothing', cache.increment('n'), nil
  cache.write('n', 41, raw: true)
  expect 'increment', cache.increment('n'), 42
  expect 'decrement', cache.decrement('n', 2), 40
  expect 'read of it', cache.read('n', raw: true), '40'
end

def lock(alice, bob)
  expect 'a lock that is free', alice.write('lock', 'alice', unless_exist: true, expires_in: 60) != false, true
  expect 'one that is held', bob.write('lock', 'bob', unless_exist: true, expires_in: 60), false
  expect 'its holder', bob.read('lock'), 'alice'
  expect 'delete', alice.delete('lock'), true
  expect 'one that is free again', bob.write('lock', 'bob', unless_exist: true, expires_in: 60) != false, true
end

def expire(alice, bob)
  alice.write('short', 'alice', unless_exist: true, expires_in: 1)
  eventually('a lock has expired') { bob.write('short', 'bob', unless_exist: true, expires_in: 60) }
  expect 'its new holder', alice.read('short'), 'bob'
end

# With race_condition_ttl one process makes an expired value anew, while others get the old one.
def race(cache)
  expect('fetch', cache.fetch('page', expires_in: 1, race_condition_ttl: 60) { 'old' }, 'old')
  eventually('the page has expired') { !cache.exist?('page') }
  meanwhile = nil
  made = cache.fetch('page', expires_in: 60, race_condition_ttl: 60) do
    meanwhile = cache.fetch('page', expires_in: 60, race_condition_ttl: 60) { 'made twice' }
    'new'
  end
  expect 'what others got meanwhile', meanwhile, 'old'
  expect 'fetch of an expired page', [made, cache.read('page')], %w[new new]
end

# Processes that add 1 to a number in two steps, which only a lock makes one.
def exclude(cache)
  cache.write('total', 0)
  workers = Array.new(4) do
    fork do
      mine = connect
      25.times do
        eventually('the lock is free') { mine.write('lock:total', Process.pid, unless_exist: true, expires_in: 60) }
        mine.write('total', mine.read('total') + 1)
        expect 'the end of the lock', mine.delete('lock:total'), true
      end
    end
  end
  workers.each { |pid| expect 'a worker\'s end', Process.wait2(pid).last.success?, true }
  expect 'the total', cache.read('total'), 100
end

cache = connect
store(cache)
count(cache)
lock(cache, connect)
lock(connect(namespace: 'app'), connect(namespace: 'app'))
expire(cache, connect)
race(cache)
exclude(cache)
expect 'stats', cache.stats.values.first.key?('curr_connections'), true
cache.clear
expect 'read after clear', cache.read('total'), nil
