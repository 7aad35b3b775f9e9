"""Scores a backlog in shards, for a state machine that calls the function for each step: plan, score each shard, summarise.

    inputs, documents, rows --listed side by side--> what is missing --grouped--> shards: lists of keys     planning
    a shard's keys --scored, as uploads are--> documents --one line each--> rows, and then their index      shards, rows
    the indexes of a run --added up--> summary, list of what failed                                         summing

A shard is a contiguous range of keys, in the order of their documents' places. Its rows are written at once and on condition,
and then its index, which tells the keys and ETags of the rows. So a shard that is repeated, or scored twice at the same time,
changes no byte; and the next plan and every sweep read the indexes as a third listing, by `covering`.
"""
