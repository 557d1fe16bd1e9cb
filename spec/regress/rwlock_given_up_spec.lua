-- Readers that had queued behind a writer of a shared rwlock went on waiting when that one gave up, though others held the lock for
-- reading: until they let go, or for ever.

local weft = require "weft"

describe("a writer that gives up", function()
  -- One reader holds the lock; the readers that had queued behind the writer need not wait for it to go.
  local function let_pass(give_up)
    local rw, told = weft.rwlock(), weft.channel(2)
    rw:rlock()
    local writer = give_up(rw)
    weft.sleep(0.02)
    local readers = {}
    for i = 1, 2 do
      readers[i] = weft.thread(function(lock, to)
        lock:rlock()
        to:send(true)
        lock:runlock()
      end, rw, told)
    end
    weft.sleep(0.02)
    writer:cancel()
    writer:wait()
    assert.same({ true, true }, { (weft.timeout(20, told.recv, told)), (weft.timeout(20, told.recv, told)) })
    rw:runlock()
    weft.all(readers)
    assert.is_true(rw:try_lock())
    rw:unlock()
  end

  it("lets those pass that stood behind it", function()
    let_pass(function(rw) return weft.thread(function(lock) lock:lock() end, rw) end)
    let_pass(function(rw) return weft.spawn(function(lock) lock:lock() end, rw) end)
    let_pass(function(rw) return weft.thread(function(lock) return lock:try_lock(0.03) end, rw) end)
    let_pass(function(rw)
      weft.thread(function() end, rw):join()
      return weft.go(rw.lock, rw)
    end)
  end)
end)
