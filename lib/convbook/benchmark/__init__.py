"""Speed, measured side by side: ``python -m convbook.benchmark training``.

Machines are shared and noisy, so only ratios within one run mean something. Every competitor runs in a process of its
own, because thread pools that wait by spinning slow down their neighbours; they take turns over several rounds; and
ratios are taken within a round.
"""
