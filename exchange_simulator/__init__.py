"""A Deribit of our own: the public HTTP API with its traps and limits, over an invented or a recorded market.

For demonstrations and tests without a network. `python -m exchange_simulator` serves the live host and the history
host on two loopback ports; `POST /simulator/faults` makes things go wrong, `GET /simulator/stats` counts what clients
did. In Python, `market.Market` and `replay.Replay` say what a correct client must end up with, value by value.

| room          | purpose                                                                       |
|---------------|-------------------------------------------------------------------------------|
| `noise`       | random numbers as a function of (seed, counter)                               |
| `traits`      | how the exchange behaves, each trait a switch, with what is known of it       |
| `listings`    | which contracts there ever were, and their rows                               |
| `linear`      | the linear contracts, with every oddity a catalogue may have                  |
| `options`     | the option ladders                                                            |
| `price_shocks`| the days of the great falls                                                   |
| `market`      | the invented prices, candles and funding                                      |
| `replay`      | the recorded ones, behind the same methods                                    |
| `chart`       | the chart method: row limit, fill after expiry, coarser resolutions           |
| `quotes`      | tickers, book summaries, greeks                                               |
| `protocol`    | methods, parameters, refusals; no HTTP                                        |
| `limits`      | credits, and what was served                                                  |
| `faults`      | what can go wrong on demand: a table of all kinds                             |
| `app`         | HTTP: envelope, limits, faults                                                |
| `process`     | the whole of it as a process of its own, for tests and benchmarks             |
| `measure`     | what a page of candles costs                                                  |

Traps that are kept, because a client has to survive them: funding answers 744 rows of `(start, end]` and forgets the
older ones, charts 5,001 rows of `[start, end]` likewise; minutes without trades are flat candles with volume 0; that
fill goes on after an expiry; the newest bucket still changes; the live host forgets an instrument from its catalogue a
day after it expired, and the history host knows only expired ones and no funding. With `--real` it is shaped like the
real exchange in everything that was found out about it; `--traits` lists what that is.
"""
