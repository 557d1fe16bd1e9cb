%% One process sends integers to another on one scheduler. A mailbox has no bound, so the sender keeps at most 128
%% messages unacknowledged (an acknowledgement every 64), as a channel of 128 would.
-module(bench_buffered).
-export([main/1]).

main([N0]) ->
    N = list_to_integer(N0),
    Receiver = spawn(fun() -> receive {start, Sender} -> drain(N, Sender, 0, 0) end end),
    Receiver ! {start, self()},
    T = cpu(),
    send(N, Receiver, 0),
    Sum = receive {sum, S} -> S end,
    Rate = N * 1.0e9 / (cpu() - T),
    Sum = N * (N + 1) div 2,
    io:format("rate ~.1f~n", [Rate]),
    halt(0).

send(0, _, _) -> ok;
send(N, R, 128) -> receive ack -> send(N, R, 64) end;
send(N, R, Open) -> R ! {m, N}, send(N - 1, R, Open + 1).

drain(0, Sender, _, Sum) -> Sender ! {sum, Sum};
drain(N, Sender, 64, Sum) -> Sender ! ack, drain(N, Sender, 0, Sum);
drain(N, Sender, K, Sum) -> receive {m, V} -> drain(N - 1, Sender, K + 1, Sum + V) end.

%% The CPU time that the process has had, in ns (it is told in ms).
cpu() ->
    {Ms, _} = erlang:statistics(runtime),
    Ms * 1000000.
