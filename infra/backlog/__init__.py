"""Runs backlogs from this machine: finds the deployment, reads lists of keys, has the function plan, and watches the run.

    sources --read, sorted--> lists in S3 --the function plans--> shards --Step Functions, the function score--> rows, summary

`machine.asl.json` is the state machine that the template deploys. Nothing is scored here.
"""
