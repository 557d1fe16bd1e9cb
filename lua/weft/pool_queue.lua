--- What a pool has to do and no worker has yet: requests, which hand out chunks in turn, and chunks that came back.

local Queue = {}
Queue.__index = Queue

local M = {}

function M.new()
  return setmetatable({ first = 1, last = 0, returned = {} }, Queue)
end

--- The request has chunks to hand out.
function Queue:offer(r)
  if r.queued or r.over then return end
  self[self.last + 1] = r -- may find no memory: then nothing has changed
  self.last = self.last + 1
  r.queued = true
end

--- The chunk was with a worker that did not begin it.
function Queue:put_back(chunk) table.insert(self.returned, chunk) end

function Queue:is_empty() return #self.returned == 0 and self.first > self.last end

--- The next chunk of the request whose turn it is, or nil.
function Queue:next()
  while #self.returned > 0 do
    local chunk = table.remove(self.returned, 1)
    if not chunk.request.over then return chunk end
  end
  while self.first <= self.last do
    local r = self[self.first]
    self[self.first] = nil
    self.first = self.first + 1
    r.queued = false
    local chunk = not r.over and r:next()
    if chunk then
      if r.more then self:offer(r) end
      return chunk
    end
  end
end

return M
