%% Two processes take turns with erlang:yield() on one scheduler. "ns" is one yield.
-module(bench_switch).
-export([main/1]).

main([N0]) ->
    N = list_to_integer(N0),
    Parent = self(),
    Body = fun() -> yields(N), Parent ! done end,
    T = cpu(),
    spawn(Body),
    spawn(Body),
    receive done -> ok end,
    receive done -> ok end,
    Ns = (cpu() - T) / (2 * N),
    io:format("ns ~.3f~n", [Ns]),
    halt(0).

yields(0) -> ok;
yields(N) -> erlang:yield(), yields(N - 1).

%% The CPU time that the process has had, in ns (it is told in ms).
cpu() ->
    {Ms, _} = erlang:statistics(runtime),
    Ms * 1000000.
