"""Is this machine fit for the work: facts are gathered, judged apart from that, and every finding has a command.

facts = gathering.gather(...)      files, child processes, the hub
advice = judging.judge(facts)      pure
"""
