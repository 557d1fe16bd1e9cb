%% N processes sleep 1 to 1000 ms each, on one scheduler.
-module(bench_sleepers).
-export([main/1]).

main([N0]) ->
    process_flag(message_queue_data, off_heap),
    N = list_to_integer(N0),
    T = erlang:monotonic_time(nanosecond),
    start(N, self()),
    await(N),
    Wall = (erlang:monotonic_time(nanosecond) - T) / 1.0e9,
    {Cpu, _} = erlang:statistics(runtime),
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [Peak]} = re:run(Status, "VmHWM:\\s+(\\d+)", [{capture, all_but_first, list}]),
    io:format("cpu ~.4f~nwall ~.4f~nrss ~.1f~n", [Cpu / 1.0e3, Wall, list_to_integer(Peak) / 1024]),
    halt(0).

start(0, _) -> ok;
start(N, Parent) ->
    Ms = N rem 1000 + 1,
    spawn(fun() -> timer:sleep(Ms), Parent ! done end),
    start(N - 1, Parent).

await(0) -> ok;
await(N) -> receive done -> await(N - 1) end.
