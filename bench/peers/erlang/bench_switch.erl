%% Two processes take turns with erlang:yield() on one scheduler. "ns" is one yield.
-module(bench_switch).
-export([main/1]).

main([N0]) ->
    N = list_to_integer(N0),
    Parent = self(),
    Body = fun() -> yields(N), Parent ! done end,
    T = erlang:monotonic_time(nanosecond),
    spawn(Body),
    spawn(Body),
    receive done -> ok end,
    receive done -> ok end,
    Ns = (erlang:monotonic_time(nanosecond) - T) / (2 * N),
    io:format("ns ~.3f~n", [Ns]),
    halt(0).

yields(0) -> ok;
yields(N) -> erlang:yield(), yields(N - 1).
