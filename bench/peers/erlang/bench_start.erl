%% N processes in all, started in batches and awaited batch by batch. The parent's mailbox is off-heap: with the default
%% the burst is several times slower, because each collection of the parent scans the waiting messages.
-module(bench_start).
-export([main/1]).

main([N0, B0]) ->
    process_flag(message_queue_data, off_heap),
    N = list_to_integer(N0),
    B = list_to_integer(B0),
    Parent = self(),
    Body = fun() -> Parent ! done end,
    T = cpu(),
    rounds(N div B, B, Body),
    io:format("ns ~.3f~n", [(cpu() - T) / N]),
    halt(0).

rounds(0, _, _) -> ok;
rounds(R, B, Body) -> start(B, Body), await(B), rounds(R - 1, B, Body).

start(0, _) -> ok;
start(N, Body) -> spawn(Body), start(N - 1, Body).

await(0) -> ok;
await(N) -> receive done -> await(N - 1) end.

%% The CPU time that the process has had, in ns (it is told in ms).
cpu() ->
    {Ms, _} = erlang:statistics(runtime),
    Ms * 1000000.
