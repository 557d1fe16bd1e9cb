%% Two processes on one scheduler answer each other by message.
-module(bench_roundtrip).
-export([main/1]).

main([N0]) ->
    N = list_to_integer(N0),
    Echo = spawn(fun echo/0),
    T = cpu(),
    ask(Echo, self(), N),
    io:format("ns ~.3f~n", [(cpu() - T) / N]),
    halt(0).

ask(_, _, 0) -> ok;
ask(Echo, Self, N) ->
    Echo ! {Self, N},
    receive N -> ask(Echo, Self, N - 1) end.

echo() ->
    receive {From, N} -> From ! N, echo() end.

%% The CPU time that the process has had, in ns (it is told in ms).
cpu() ->
    {Ms, _} = erlang:statistics(runtime),
    Ms * 1000000.
