#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A fuzzer's corpus: a directory of inputs, or a text file with one input a line in base64.

usage: corpus.py unpack FILE DIRECTORY | corpus.py pack DIRECTORY FILE
"""
import base64
import hashlib
import os
import sys


def unpack(path, directory):
    os.makedirs(directory, exist_ok=True)
    with open(path) as handle:
        for line in handle:
            data = base64.b64decode(line)
            with open(os.path.join(directory, hashlib.sha1(data).hexdigest()), 'wb') as out:
                out.write(data)


def pack(directory, path):
    inputs = []
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), 'rb') as handle:
            inputs.append(handle.read())
    with open(path, 'w') as out:
        for data in sorted(inputs, key=lambda d: (len(d), d)):
            out.write(base64.b64encode(data).decode() + '\n')
    print(f'{path}: {len(inputs)} inputs')


if __name__ == '__main__':
    {'pack': pack, 'unpack': unpack}[sys.argv[1]](sys.argv[2], sys.argv[3])
