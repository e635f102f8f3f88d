# Does with Dalli, which speaks the binary protocol, what filler.py does with pymemcache.
#
#     filler.rb HOST PORT KEY TTL

require 'dalli'

HOST, PORT, KEY, TTL = ARGV
$stdout.sync = true

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
end

def tell(what, asked, *value)
  puts [what, asked, now, *value].join(' ')
end

mc = Dalli::Client.new("#{HOST}:#{PORT}", socket_timeout: 300) # the default is 1 s, which a busy machine may need
computed = 0
loop do
  asked = now
  value = mc.get(KEY, raw: true)
  if value
    tell 'hit', asked, value
  else
    tell 'miss', asked
    if $stdin.gets == "store\n"
      value = "#{Process.pid}-#{computed += 1}"
      asked = now
      mc.set(KEY, value, TTL.to_i, raw: true)
      tell 'stored', asked, value
    end
  end
  sleep 0.02
end
