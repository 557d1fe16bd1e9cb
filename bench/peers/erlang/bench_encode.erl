%% Encode and decode 1,000 records of 10 mixed fields: term_to_binary and back.
-module(bench_encode).
-export([main/1]).

main([N0]) ->
    N = list_to_integer(N0),
    Data = [record(I) || I <- lists:seq(1, 1000)],
    once(3, Data),
    T = cpu(),
    once(N, Data),
    io:format("us ~.3f~n", [(cpu() - T) / 1000 / N]),
    halt(0).

once(0, _) -> ok;
once(N, Data) ->
    1000 = length(binary_to_term(term_to_binary(Data))),
    once(N - 1, Data).

record(I) ->
    S = integer_to_list(I),
    #{id => I, name => list_to_binary("user number " ++ S), score => I * 1.25 + 0.5, active => I rem 2 == 0,
      email => list_to_binary("user" ++ S ++ "@example.org"), tags => [<<"alpha">>, <<"beta">>, <<"gamma">>],
      address => #{street => list_to_binary("Main street " ++ S), zip => 10000 + I}, balance => -I * 1000,
      note => binary:copy(<<"lorem ipsum ">>, 4), ratio => 1 / I}.

%% The CPU time that the process has had, in ns (it is told in ms).
cpu() ->
    {Ms, _} = erlang:statistics(runtime),
    Ms * 1000000.
