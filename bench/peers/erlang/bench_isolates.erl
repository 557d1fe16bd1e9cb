%% Processes that share nothing, on as many schedulers as the command says. Arguments: what, n, and more; as isolates.lua.
-module(bench_isolates).
-export([main/1]).

main(["start", N, Batch]) -> start(list_to_integer(N), list_to_integer(Batch));
main(["parked", N]) -> parked(list_to_integer(N));
main(["trip", N | Apart]) -> trip(list_to_integer(N), Apart =:= ["apart"]);
main(["channel", N, Kind]) -> channel(list_to_integer(N), Kind);
main(["across", N, Size]) -> across(list_to_integer(N), list_to_integer(Size)).

now_ns() -> erlang:monotonic_time(nanosecond).

done(Metric, Value) ->
    io:format("~s ~.4f~n", [Metric, float(Value)]),
    halt(0).

start(N, Batch) ->
    process_flag(message_queue_data, off_heap),
    Parent = self(),
    Body = fun() -> Parent ! done end,
    T = now_ns(),
    [begin [spawn(Body) || _ <- lists:seq(1, Batch)], await(Batch) end || _ <- lists:seq(1, N div Batch)],
    done("us", (now_ns() - T) / 1000 / N).

await(0) -> ok;
await(N) -> receive done -> await(N - 1) end.

%% Parked, then all answered. The slope is from a tenth of them to all.
parked(N) ->
    process_flag(message_queue_data, off_heap),
    Parent = self(),
    Body = fun() -> receive V -> Parent ! V end end,
    T = now_ns(),
    First = [spawn(Body) || _ <- lists:seq(1, N div 10)],
    Few = rss(),
    Rest = [spawn(Body) || _ <- lists:seq(N div 10 + 1, N)],
    Many = rss(),
    [P ! done || P <- First], [P ! done || P <- Rest],
    await(N),
    io:format("bytes ~.1f~nmib ~.1f~n", [(Many - Few) / (N - N div 10), Many / 1048576]),
    done("seconds", (now_ns() - T) / 1.0e9).

rss() ->
    {ok, Statm} = file:read_file("/proc/self/statm"),
    [_, Resident | _] = string:tokens(binary_to_list(Statm), " "),
    list_to_integer(Resident) * 4096.

on(true, S, F) -> spawn_opt(F, [{scheduler, S}]);
on(false, _, F) -> spawn(F).

trip(N, Apart) ->
    Main = self(),
    Echo = on(Apart, 1, fun echo/0),
    on(Apart, 2, fun() -> ask(Echo, self(), N div 10), T = now_ns(), ask(Echo, self(), N), Main ! now_ns() - T end),
    done("ns", (receive Ns -> Ns end) / N).

echo() -> receive {From, V} -> From ! V, echo() end.

ask(_, _, 0) -> ok;
ask(Echo, Self, N) ->
    Echo ! {Self, N},
    receive N -> ask(Echo, Self, N - 1) end.

%% A mailbox has no bound: at most 128 messages are unacknowledged, an acknowledgement every 64.
channel(N, Kind) ->
    Main = self(),
    V = value(Kind),
    Receiver = spawn(fun() -> receive {start, Sender} -> drain(N, Sender, 0, Main) end end),
    T = now_ns(),
    spawn(fun() -> Receiver ! {start, self()}, send(N, V, Receiver, 0) end),
    receive all -> ok end,
    done("rate", N * 1.0e9 / (now_ns() - T)).

value("integers") -> 42;
value("table") ->
    maps:from_list([{list_to_binary("key" ++ integer_to_list(I)),
                     case I rem 2 of 0 -> I; _ -> list_to_binary("value" ++ integer_to_list(I)) end} || I <- lists:seq(1, 10)]).

send(0, _, _, _) -> ok;
send(N, V, R, 128) -> receive ack -> send(N, V, R, 64) end;
send(N, V, R, Open) -> R ! {m, V}, send(N - 1, V, R, Open + 1).

drain(0, _, _, Main) -> Main ! all;
drain(N, Sender, 64, Main) -> Sender ! ack, drain(N, Sender, 0, Main);
drain(N, Sender, K, Main) -> receive {m, _} -> drain(N - 1, Sender, K + 1, Main) end.

%% A list, which is copied from heap to heap.
across(N, Size) ->
    List = lists:seq(1, Size),
    Echo = spawn(fun echo/0),
    crossings(Echo, 3, List),
    T = now_ns(),
    crossings(Echo, N, List),
    done("ms", (now_ns() - T) / 1.0e6 / N / 2).

crossings(_, 0, _) -> ok;
crossings(Echo, N, List) ->
    Echo ! {self(), List},
    receive L when is_list(L) -> crossings(Echo, N - 1, L) end.
