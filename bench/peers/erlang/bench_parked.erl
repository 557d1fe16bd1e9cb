%% Processes parked in a receive: slope of resident memory between two counts.
-module(bench_parked).
-export([main/1]).

main([Few0, Many0]) ->
    Few = list_to_integer(Few0),
    Many = list_to_integer(Many0),
    start(Few),
    R = rss(),
    start(Many - Few),
    io:format("bytes ~.1f~n", [(rss() - R) / (Many - Few)]),
    halt(0).

%% Each new process answers once when it runs, so that all are parked when memory is read.
start(N) ->
    Parent = self(),
    Body = fun() -> Parent ! up, receive never -> ok end end,
    start(N, Body).

start(0, _) -> ok;
start(N, Body) -> spawn(Body), receive up -> start(N - 1, Body) end.

rss() ->
    {ok, Statm} = file:read_file("/proc/self/statm"),
    [_, Resident | _] = string:tokens(binary_to_list(Statm), " "),
    list_to_integer(Resident) * 4096.
