# What the checks in Ruby share.

# Ends the script unless a call returned what memcached makes it return.
def expect(what, got, want)
  abort "#{what}: #{got.inspect}, want #{want.inspect}" unless got == want
end

# Has the block told something until it is so, for as long as a test is patient.
def eventually(what)
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 300
  until yield
    abort "never: #{what}" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
    sleep 0.001
  end
end
