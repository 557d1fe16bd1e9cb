---@meta _
-- luacheck: ignore 211 212 241 431

---# The network
---
---TCP, unix and UDP sockets. A call that has to wait parks its task, and others run meanwhile: one thread serves ten
---thousand connections. All of it works in every state: the main one, threads, isolates of the pool.
---
---What the world refuses returns `nil, message, code`: `ECONNREFUSED`, `ECONNRESET`, `ETIMEDOUT`, `EPIPE`, `EADDRINUSE`
---and others. A call on something that is closed gives `EBADF`, one that waits while it is closed `ECANCELED`.
---
---```lua
---local server = weft.net.listen("127.0.0.1", 0, function(conn)
---  for line in conn:lines() do conn:write("you said ", line, "\n") end
---end)
---local conn <close> = weft.net.connect(server:sockname())
---conn:write "hello\n"
---print(conn:read "l")                 --> you said hello
---server:close()
---```

---@class weft
---@field net weft.net  loaded at its first use
local weft = {}

---`weft.net`, a table of functions.
---@class weft.net
---@field unix weft.net.unix
weft.net = {}

---Connects to a TCP server. A name is looked up (weft.dns); when it has several
---addresses, IPv6 and IPv4 take turns, the next attempt starting beside the others when one has failed or after 0.25 s,
---and the first to succeed wins.
---
---Options: `timeout`, seconds for all of it; `nodelay`, send small writes at once, default true; `keepalive`, seconds of
---silence after which the system asks whether the peer is still there, or true for 60.
---
---Blocks: until it is connected.
---Errors: a port out of range; an unknown option; a `keepalive` that is neither a boolean nor from 1 to 32767.
---
---```lua
---print(weft.net.connect("127.0.0.1", 1))
-----> nil ECONNREFUSED: connection refused: tcp 127.0.0.1:1 ECONNREFUSED
---```
---@param host string  a name or a numeric address, "::1"
---@param port integer  1 to 65535
---@param opts? table  timeout, nodelay, keepalive
---@return weft.stream? conn
---@return string? message
---@return string? code
function weft.net.connect(host, port, opts) end

---Listens for TCP connections. With a handler, each connection is given to a task of its own, which runs the handler and
---closes the connection when the handler returns or fails (the failure is reported as any task's). Without one,
---server:accept gives connections. The options may be left out before the handler.
---
---Options: `backlog`, connections that the system holds until they are accepted, default 1024; `max`, connections open
---at once, the others wait in the backlog; `reuseport`, several sockets may listen at the port, in other states or
---processes too, and the system shares out connections among them; `nodelay` of the connections, default true;
---`timeout`, seconds for each read and write of the connections, as stream:timeout.
---
---When the process has no descriptors left, connections stay in the backlog until there are some.
---
---Blocks: while a name is looked up.
---Errors: a port out of range; an unknown option; a handler that is no function.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0, { max = 100 }, function(conn)
---  conn:write "welcome\n"
---end)
---local conn <close> = weft.net.connect(server:sockname())
---print(conn:read "a")                 --> welcome
---```
---@param host string  a name or a numeric address; "*" for all addresses, IPv4 and IPv6
---@param port integer  0 to 65535; 0: the system picks one (server:sockname)
---@param opts? table  backlog, max, reuseport, nodelay, timeout
---@param handler? function  called with each connection
---@return weft.server? server
---@return string? message
---@return string? code
function weft.net.listen(host, port, opts, handler) end

---Makes a UDP socket. Without a host it is bound when it first sends.
---
---Options: `reuseaddr`, `reuseport`, as the system knows them; for groups, and for several receivers.
---
---Blocks: while a name is looked up.
---Errors: a port out of range; an unknown option.
---
---```lua
---local a, b = weft.net.udp("127.0.0.1", 0), weft.net.udp("127.0.0.1", 0)
---a:send("hello", b:sockname())
---print((b:recv()))                    --> hello
---a:close()
---b:close()
---```
---@param host? string  where it receives; a name or a numeric address
---@param port? integer  0 to 65535, default 0: the system picks one
---@param opts? table  reuseaddr, reuseport
---@return weft.udp? socket
---@return string? message
---@return string? code
function weft.net.udp(host, port, opts) end

---Makes an object for a descriptor, which it owns from now on: a stream for a connected socket, a pipe or a terminal, a
---server for a listening socket, a UDP socket for one of that kind. So a connection moves to another state: detach it
---here, send the number, attach it there.
---
---Blocks: no.
---Errors: not a descriptor's number.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0)
---local client <close> = weft.net.connect(server:sockname())
---local job = weft.thread(function(fd, rest)
---  local conn <close> = weft.net.attach(fd, rest)
---  conn:write "served by a thread\n"
---end, server:accept():detach())
---print(client:read "l")               --> served by a thread
---job:join()
---```
---@param fd integer
---@param input? string  bytes to be read first (the second result of stream:detach)
---@return weft.stream|weft.server|weft.udp|nil object
---@return string? message
---@return string? code
function weft.net.attach(fd, input) end

---`weft.net.unix`: unix sockets, whose names are paths. On Linux a name that begins with a NUL byte is an abstract one.
---@class weft.net.unix
weft.net.unix = {}

---Connects to a unix socket. Options: `timeout`.
---
---Blocks: while the server's backlog is full.
---Errors: not a string; an unknown option.
---
---```lua
---print(select(3, weft.net.unix.connect "/nowhere"))    --> ENOENT
---```
---@param path string
---@param opts? table  timeout
---@return weft.stream? conn
---@return string? message
---@return string? code
function weft.net.unix.connect(path, opts) end

---Listens at a path, as weft.net.listen. The path is removed when the server closes. One that a server left behind which
---is no more is taken over. Options: `backlog`, `max`, `timeout`, `mode` (of the path, 384 is owner only).
---
---Blocks: no.
---Errors: an unknown option; a handler that is no function.
---
---```lua
---local path = os.tmpname() .. ".sock"
---local server <close> = weft.net.unix.listen(path, function(conn) conn:write "hello" end)
---local conn <close> = weft.net.unix.connect(path)
---print(conn:read "a")                 --> hello
---```
---@param path string
---@param opts? table  backlog, max, timeout, mode
---@param handler? function  called with each connection
---@return weft.server? server
---@return string? message
---@return string? code
function weft.net.unix.listen(path, opts, handler) end

---# Streams
---
---What connections, pipes and the standard streams have in common. Several tasks may read or write one stream: they are
---served in the order of coming, and a write is never torn by another. One task may read while another writes.

---`tostring(s)` says what it is and of whom.
---
---Closing: as stream:close.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0, function(conn) conn:write "bye" end)
---local conn <close> = weft.net.connect(server:sockname())
---print(conn:read "a")                 --> bye
---```
---@class weft.stream
local stream = {}

---Reads. Without an argument: what has arrived, at least one byte. `n`: exactly n bytes, fewer only at the end of the
---stream. "l": a line without its end, "L": with it; the end is `\n` alone. "a": everything up to the end. At the end of
---the stream nil (for "a", `""`).
---
---Blocks: until there is that much.
---Errors: another format; a negative number.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0, function(conn) conn:write "one\ntwo\nthree" end)
---local conn <close> = weft.net.connect(server:sockname())
---print(conn:read "l", conn:read(2), conn:read "a")
-----> one tw o
-----> three
---```
---@param what? integer|string  a number of bytes, "l", "L" or "a"; 0 bytes are there at once, unless the end has been seen
---@param longest? integer  longest line, or longest all, that is accepted: beyond it `EMSGSIZE`
---@return string? data  nil at the end
---@return string? message
---@return string? code
function stream:read(what, longest) end

---An iterator over lines, or over pieces of n bytes. It ends at the end of the stream, and at an error.
---
---Blocks: the call does not, each step does.
---Errors: as stream:read.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0, function(conn) conn:write "a\nb\n" end)
---local conn <close> = weft.net.connect(server:sockname())
---for line in conn:lines() do io.write(line, " ") end   --> a b
---```
---@param what? integer|string  default "l"
---@param longest? integer  as in stream:read
---@return function next
function stream:lines(what, longest) end

---Writes strings, numbers and buffers, one after the other. It returns when the system has taken all of it: a peer that
---reads slowly makes the writer wait, and nothing piles up in the process. While input is at hand already, that is,
---while a client sends ahead, small answers are collected and sent together, at the latest when the task waits.
---
---Blocks: while the system's buffer is full.
---Errors: neither a string, a number nor a buffer without gaps.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0, function(conn) conn:write("answer ", 42, "\n") end)
---local conn <close> = weft.net.connect(server:sockname())
---print(conn:read "l")                 --> answer 42
---```
---@param ... string|number|weft.buffer
---@return boolean? ok  true
---@return string? message
---@return string? code
---@return integer? written  bytes that were written before it failed
function stream:write(...) end

---Ends the output: the peer sees the end of the stream. Reading goes on. Sockets only.
---
---Blocks: while others write.
---Errors: none.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0, function(conn)
---  conn:write(#conn:read "a", " bytes")
---end)
---local conn <close> = weft.net.connect(server:sockname())
---conn:write "12345"
---conn:shutdown()
---print(conn:read "a")                 --> 5 bytes
---```
---@return boolean? ok  true
---@return string? message
---@return string? code
function stream:shutdown() end

---Closes. Tasks that wait for it get `ECANCELED`. Closing twice is harmless.
---
---Blocks: no; only for collected output that the system does not take at once, for the stream's time-out or 5 s, then
---`ETIMEDOUT`; it is closed all the same.
---Errors: none.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0)
---local conn = weft.net.connect(server:sockname())
---conn:close()
---print(conn:is_closed(), select(3, conn:read()))      --> true EBADF
---```
---@return boolean? ok  true
---@return string? message  what was collected could not be sent
---@return string? code
function stream:close() end

---Sets a limit on the time of each read and write from now on: beyond it they return `nil, message, "ETIMEDOUT"`. What
---has been read by then is kept for the next read.
---
---Blocks: no.
---Errors: a negative number, NaN.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0)
---local conn <close> = weft.net.connect(server:sockname())
---conn:timeout(0.01)
---print(select(3, conn:read()))        --> ETIMEDOUT
---```
---@param seconds? number  nil: no limit
---@return weft.stream self
function stream:timeout(seconds) end

---The number of bytes that have been read from the system and not been used.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0, function(conn) conn:write "one\ntwo\n" end)
---local conn <close> = weft.net.connect(server:sockname())
---conn:read "l"
---print(conn:buffered())               --> 4
---```
---@return integer bytes
function stream:buffered() end

---The descriptor, for other libraries (weft.poll). It stays the stream's.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0)
---local conn <close> = weft.net.connect(server:sockname())
---print(math.type(conn:fileno()))      --> integer
---```
---@return integer? fd
---@return string? message
---@return string? code
function stream:fileno() end

---Says whether it has been closed, here.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0)
---local conn <close> = weft.net.connect(server:sockname())
---print(conn:is_closed())              --> false
---```
---@return boolean closed
function stream:is_closed() end

---Sends small writes at once, which is the default, or lets the system collect them. TCP only.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0)
---local conn <close> = weft.net.connect(server:sockname())
---print(conn:nodelay(false) == conn)   --> true
---```
---@param on? boolean  default true
---@return weft.stream? self
---@return string? message
---@return string? code
function stream:nodelay(on) end

---Has the system ask after so many seconds of silence whether the peer is still there. Sockets only.
---
---Blocks: no.
---Errors: not a number of seconds from 1 to 32767, nor a boolean.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0)
---local conn <close> = weft.net.connect(server:sockname())
---print(conn:keepalive(30) == conn)    --> true
---```
---@param seconds integer|boolean  true: 60; false: no
---@return weft.stream? self
---@return string? message
---@return string? code
function stream:keepalive(seconds) end

---Its own address.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0)
---local conn <close> = weft.net.connect(server:sockname())
---print((conn:sockname()))             --> 127.0.0.1
---```
---@return string? host  of a unix socket: the path
---@return integer|string|nil port
---@return string? code
function stream:sockname() end

---The address of the peer, of a TCP connection also after it was closed.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0)
---local conn <close> = weft.net.connect(server:sockname())
---print(select(2, conn:peername()) == select(2, server:sockname()))  --> true
---```
---@return string? host
---@return integer|string|nil port
---@return string? code
function stream:peername() end

---Gives the descriptor up: it is the caller's from now on, to be attached elsewhere (weft.net.attach). The stream is
---closed then.
---
---Blocks: no.
---Errors: tasks wait for it; a standard stream.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0)
---local conn = weft.net.connect(server:sockname())
---local again <close> = weft.net.attach(conn:detach())
---print(conn:is_closed(), again:is_closed())           --> true false
---```
---@return integer? fd
---@return string? rest  what was read and not used; or a message
---@return string? code
function stream:detach() end

---# Servers

---A listening socket. It is open until it is closed, or collected as garbage when it has no handler; with a handler its
---task keeps it, and weft.wait waits for it.
---
---Closing: as server:close.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0)
---print((server:sockname()))           --> 127.0.0.1
---```
---@class weft.server
local server = {}

---The next connection, for servers without a handler.
---
---Blocks: until there is one.
---Errors: negative seconds.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0)
---local client <close> = weft.net.connect(server:sockname())
---local conn <close> = server:accept()
---conn:write "hi"
---print(client:read())                 --> hi
---```
---@param timeout? number  seconds; beyond them `ETIMEDOUT`
---@return weft.stream? conn
---@return string? message
---@return string? code
function server:accept(timeout) end

---The address at which it listens.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0)
---local host, port = server:sockname()
---print(host, port > 0)                --> 127.0.0.1 true
---```
---@return string? host  of a unix socket: the path
---@return integer|string|nil port
---@return string? code
function server:sockname() end

---How many connections are open now, and how many there have been.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0)
---weft.net.connect(server:sockname())
---server:accept()
---print(server:connections())          --> 1 1
---```
---@return integer open
---@return integer accepted
function server:connections() end

---Stops listening. Connections that it has accepted go on. Closing twice is harmless.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local server = weft.net.listen("127.0.0.1", 0)
---print(server:close())                --> true
---```
---@return boolean ok  true
function server:close() end

---The listening descriptor, for other libraries. It stays the server's.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local server <close> = weft.net.listen("127.0.0.1", 0)
---print(math.type(server:fileno()))    --> integer
---```
---@return integer? fd
---@return string? message
---@return string? code
function server:fileno() end

---Gives the listening descriptor up, for weft.net.attach elsewhere.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local server = weft.net.listen("127.0.0.1", 0)
---local again <close> = weft.net.attach(server:detach())
---print((again:sockname()))            --> 127.0.0.1
---```
---@return integer? fd
---@return string? message
---@return string? code
function server:detach() end

---# Datagrams

---A UDP socket. Each send is one datagram, each receive gives one.
---
---Closing: as udp:close.
---
---```lua
---local socket <close> = weft.net.udp("127.0.0.1", 0)
---print((socket:sockname()))           --> 127.0.0.1
---```
---@class weft.udp
local udp = {}

---Sends a datagram. The host is numeric (names: weft.dns).
---
---Blocks: while the system's buffer is full.
---Errors: no host, unless it is connected; a port out of range.
---
---```lua
---local a, b = weft.net.udp("127.0.0.1", 0), weft.net.udp("127.0.0.1", 0)
---print(a:send("x", b:sockname()))     --> true
---a:close()
---b:close()
---```
---@param data string
---@param host? string  a numeric address; not for a connected socket
---@param port? integer
---@return boolean? ok  true
---@return string? message
---@return string? code
function udp:send(data, host, port) end

---Receives a datagram and its sender.
---
---Blocks: until one comes.
---Errors: none.
---
---```lua
---local a, b = weft.net.udp("127.0.0.1", 0), weft.net.udp("127.0.0.1", 0)
---a:send("ping", b:sockname())
---local data, host = b:recv()
---print(data, host)                    --> ping 127.0.0.1
---a:close()
---b:close()
---```
---@return string? data
---@return string? host  or a message
---@return integer|string|nil port  or a code
function udp:recv() end

---From now on send needs no address, and only what comes from there is received.
---
---Blocks: no.
---Errors: a port out of range.
---
---```lua
---local a, b <close> = weft.net.udp("127.0.0.1", 0), weft.net.udp("127.0.0.1", 0)
---a:connect(b:sockname())
---a:send "to b"
---print((b:recv()))                    --> to b
---a:close()
---```
---@param host string  a numeric address
---@param port integer
---@return weft.udp? self
---@return string? message
---@return string? code
function udp:connect(host, port) end

---Sets a limit on the time of each send and receive: beyond it `ETIMEDOUT`.
---
---Blocks: no.
---Errors: a negative number, NaN.
---
---```lua
---local socket <close> = weft.net.udp("127.0.0.1", 0)
---print(select(3, socket:timeout(0.01):recv()))        --> ETIMEDOUT
---```
---@param seconds? number  nil: no limit
---@return weft.udp self
function udp:timeout(seconds) end

---Its own address.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local socket <close> = weft.net.udp("127.0.0.1", 0)
---print((socket:sockname()))           --> 127.0.0.1
---```
---@return string? host
---@return integer|string|nil port
---@return string? code
function udp:sockname() end

---Allows sending to broadcast addresses.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local socket <close> = weft.net.udp("127.0.0.1", 0)
---print(socket:broadcast() == socket)  --> true
---```
---@param on? boolean  default true
---@return weft.udp? self
---@return string? message
---@return string? code
function udp:broadcast(on) end

---Joins a multicast group.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local socket <close> = weft.net.udp("0.0.0.0", 0, { reuseaddr = true })
---print(select(3, socket:join "127.0.0.1"))            --> EINVAL
---```
---@param group string  its address
---@param interface? string  the address of the interface
---@return weft.udp? self
---@return string? message
---@return string? code
function udp:join(group, interface) end

---Leaves a multicast group.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local socket <close> = weft.net.udp("0.0.0.0", 0)
---print((socket:leave "239.1.2.3"))    --> nil
---```
---@param group string
---@param interface? string
---@return weft.udp? self
---@return string? message
---@return string? code
function udp:leave(group, interface) end

---How far datagrams to a group go: 0 stays in this machine, 1 in this network.
---
---Blocks: no.
---Errors: not 0 to 255.
---
---```lua
---local socket <close> = weft.net.udp("127.0.0.1", 0)
---print(socket:multicast_ttl(0) == socket)             --> true
---```
---@param hops integer  0 to 255
---@return weft.udp? self
---@return string? message
---@return string? code
function udp:multicast_ttl(hops) end

---Says whether what this machine sends to a group comes back to it.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local socket <close> = weft.net.udp("127.0.0.1", 0)
---print(socket:multicast_loop(false) == socket)        --> true
---```
---@param on? boolean  default true
---@return weft.udp? self
---@return string? message
---@return string? code
function udp:multicast_loop(on) end

---The descriptor, for other libraries. It stays the socket's.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local socket <close> = weft.net.udp("127.0.0.1", 0)
---print(math.type(socket:fileno()))    --> integer
---```
---@return integer? fd
---@return string? message
---@return string? code
function udp:fileno() end

---Gives the descriptor up, for weft.net.attach elsewhere.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local socket = weft.net.udp("127.0.0.1", 0)
---local again <close> = weft.net.attach(socket:detach())
---print((again:sockname()))            --> 127.0.0.1
---```
---@return integer? fd
---@return string? message
---@return string? code
function udp:detach() end

---Closes. Closing twice is harmless.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local socket = weft.net.udp("127.0.0.1", 0)
---print(socket:close())                --> true
---```
---@return boolean ok  true
function udp:close() end

---# TLS and LuaSocket
---
---`require "weft.tls"` gives TLS 1.2 and 1.3 over OpenSSL. It is optional: `make tls`, or the rock `weft-tls`, builds what
---it needs, and without that the `require` raises and says so. Its functions are `connect(host, port, opts)`,
---`listen(host, port, opts, handler)` and `wrap(conn, opts)` for a connection that is there already (`server = true` for
---that side); they give streams with `read lines write shutdown close timeout buffered is_closed sockname peername` as
---above, and `info()`: a table with `version cipher alpn name subject issuer`. Besides the options of weft.net.connect and
---weft.net.listen there are `cert` and `key` (file names or PEM texts; a server must have them), `ca` (whom to trust; a
---client trusts the system's list, a server that has `ca` asks clients for a certificate), `alpn` (a list of protocols),
---`name` (which the server's certificate must have, also sent as SNI; default the host), and `verify = false`, with which a
---client talks to anybody. What goes wrong in TLS is `nil, message, "EPROTO"`; so is a stream that ends without the
---peer's orderly end, as when somebody cuts it.
---
---`require "weft.socket"` gives LuaSocket's interface (`tcp udp connect bind select gettime sleep dns newtry protect` and
---so on) over weft's sockets, so that a call of a library written for LuaSocket parks its task alone. `install()` puts it in
---the place of `socket` and `socket.unix` for all that is loaded later. What LuaSocket has in Lua (`socket.http`,
---`socket.url`, `ltn12`) is LuaSocket's own, if it is installed.
