// Generated from proto/subjects.yaml by `npm run generate`. Do not edit.

export type LayoutService = 'gateway' | 'run-scheduler' | 'agent-executor' | 'notifier' | 'reconciler' | 'bootstrap';

/** Sizes in bytes, ages in seconds, 0: unlimited. */
export interface Layout {
  version: number;
  streams: readonly {
    name: string;
    description: string;
    subjects: readonly string[];
    retention: 'limits' | 'workqueue';
    discard: 'new' | 'old';
    max_bytes: number;
    max_msg_size: number;
    max_msgs_per_subject: number;
    discard_new_per_subject: boolean;
    max_consumers: number;
    max_age_s: number;
    allow_direct: boolean;
    allow_msg_schedules: boolean;
    deny_delete: boolean;
    deny_purge: boolean;
    republish: { src: string; dest: string } | null;
  }[];
  subjects: readonly {
    subject: string;
    /** null: core NATS, not stored. */
    stream: string | null;
    description: string;
    publishers: readonly LayoutService[];
    readers: readonly LayoutService[];
  }[];
  buckets: readonly {
    bucket: string;
    description: string;
    history: number;
    max_value_size: number;
    max_age_s: number;
    allow_msg_ttl: boolean;
    writers: readonly LayoutService[];
    readers: readonly LayoutService[];
  }[];
  object_stores: readonly {
    store: string;
    description: string;
    writers: readonly LayoutService[];
    readers: readonly LayoutService[];
  }[];
}

export const LAYOUT: Layout = {
  "version": 4,
  "streams": [
    {
      "name": "RUNS",
      "description": "The log. One subject per run, one message per commit.",
      "subjects": [
        "runs.*.*"
      ],
      "retention": "limits",
      "discard": "new",
      "max_bytes": 8589934592,
      "max_msg_size": 262144,
      "max_msgs_per_subject": 100000,
      "discard_new_per_subject": true,
      "max_consumers": 64,
      "max_age_s": 0,
      "allow_direct": true,
      "allow_msg_schedules": false,
      "deny_delete": false,
      "deny_purge": true,
      "republish": {
        "src": "runs.>",
        "dest": "live.runs.>"
      }
    },
    {
      "name": "WORK",
      "description": "Granted dispatches. At most one message per run is outstanding.",
      "subjects": [
        "work.>"
      ],
      "retention": "workqueue",
      "discard": "new",
      "max_bytes": 67108864,
      "max_msg_size": 16384,
      "max_msgs_per_subject": 1,
      "discard_new_per_subject": true,
      "max_consumers": 64,
      "max_age_s": 0,
      "allow_direct": true,
      "allow_msg_schedules": false,
      "deny_delete": false,
      "deny_purge": false,
      "republish": null
    },
    {
      "name": "TIMERS",
      "description": "Schedules on timers.>, and what they fired on due.> until it is handled.",
      "subjects": [
        "timers.>",
        "due.>"
      ],
      "retention": "workqueue",
      "discard": "old",
      "max_bytes": 0,
      "max_msg_size": 16384,
      "max_msgs_per_subject": 1,
      "discard_new_per_subject": false,
      "max_consumers": 16,
      "max_age_s": 0,
      "allow_direct": true,
      "allow_msg_schedules": true,
      "deny_delete": false,
      "deny_purge": false,
      "republish": null
    },
    {
      "name": "DEAD",
      "description": "Messages that can never be handled, with the reason.",
      "subjects": [
        "dead.>"
      ],
      "retention": "limits",
      "discard": "old",
      "max_bytes": 67108864,
      "max_msg_size": 524288,
      "max_msgs_per_subject": 0,
      "discard_new_per_subject": false,
      "max_consumers": 16,
      "max_age_s": 2592000,
      "allow_direct": true,
      "allow_msg_schedules": false,
      "deny_delete": false,
      "deny_purge": false,
      "republish": null
    },
    {
      "name": "AUDIT",
      "description": "What happened to credentials, by tenant and user. Appended to, never changed.",
      "subjects": [
        "audit.*.*"
      ],
      "retention": "limits",
      "discard": "new",
      "max_bytes": 67108864,
      "max_msg_size": 16384,
      "max_msgs_per_subject": 0,
      "discard_new_per_subject": false,
      "max_consumers": 16,
      "max_age_s": 34560000,
      "allow_direct": true,
      "allow_msg_schedules": false,
      "deny_delete": true,
      "deny_purge": true,
      "republish": null
    }
  ],
  "subjects": [
    {
      "subject": "runs.*.*",
      "stream": "RUNS",
      "description": "The commits of one run (runs.<tenant>.<run>).",
      "publishers": [
        "gateway",
        "run-scheduler",
        "agent-executor",
        "reconciler"
      ],
      "readers": [
        "gateway",
        "run-scheduler",
        "agent-executor",
        "notifier",
        "reconciler"
      ]
    },
    {
      "subject": "live.runs.>",
      "stream": null,
      "description": "Stored commits, republished by the broker. Nobody publishes here.",
      "publishers": [],
      "readers": [
        "gateway",
        "agent-executor"
      ]
    },
    {
      "subject": "work.>",
      "stream": "WORK",
      "description": "One granted dispatch (work.<pool>.<tenant>.<run>).",
      "publishers": [
        "run-scheduler",
        "reconciler"
      ],
      "readers": [
        "agent-executor",
        "run-scheduler",
        "reconciler"
      ]
    },
    {
      "subject": "timers.>",
      "stream": "TIMERS",
      "description": "A schedule (timers.<kind>.<tenant>.<run>.<timer_id>).",
      "publishers": [
        "run-scheduler",
        "reconciler"
      ],
      "readers": [
        "run-scheduler",
        "reconciler"
      ]
    },
    {
      "subject": "due.>",
      "stream": "TIMERS",
      "description": "A fired timer, stored by the broker (due.<kind>.<tenant>.<run>.<timer_id>).",
      "publishers": [],
      "readers": [
        "run-scheduler"
      ]
    },
    {
      "subject": "dead.>",
      "stream": "DEAD",
      "description": "A message that can never be handled (dead.<service>.<durable>).",
      "publishers": [
        "gateway",
        "run-scheduler",
        "agent-executor",
        "notifier",
        "reconciler"
      ],
      "readers": [
        "gateway",
        "reconciler"
      ]
    },
    {
      "subject": "audit.*.*",
      "stream": "AUDIT",
      "description": "One thing that happened to a key of this user (audit.<tenant>.<user>).",
      "publishers": [
        "gateway",
        "bootstrap"
      ],
      "readers": [
        "gateway"
      ]
    },
    {
      "subject": "holder.*",
      "stream": null,
      "description": "Asks one executor which runs it holds (holder.<executor>), answered within a second.",
      "publishers": [
        "agent-executor"
      ],
      "readers": [
        "agent-executor"
      ]
    }
  ],
  "buckets": [
    {
      "bucket": "agents",
      "description": "Agent definitions by <tenant>.<agent>; a run pins the revision it started with.",
      "history": 64,
      "max_value_size": 1048576,
      "max_age_s": 0,
      "allow_msg_ttl": false,
      "writers": [
        "gateway",
        "bootstrap"
      ],
      "readers": [
        "gateway",
        "run-scheduler",
        "agent-executor",
        "reconciler",
        "bootstrap"
      ]
    },
    {
      "bucket": "tenants",
      "description": "Tenants, their users and limits.",
      "history": 1,
      "max_value_size": 262144,
      "max_age_s": 0,
      "allow_msg_ttl": false,
      "writers": [
        "gateway",
        "bootstrap"
      ],
      "readers": [
        "gateway",
        "run-scheduler",
        "bootstrap"
      ]
    },
    {
      "bucket": "api-keys",
      "description": "API keys by key id; the secret's HMAC only.",
      "history": 1,
      "max_value_size": 16384,
      "max_age_s": 0,
      "allow_msg_ttl": false,
      "writers": [
        "gateway",
        "bootstrap"
      ],
      "readers": [
        "gateway",
        "bootstrap"
      ]
    },
    {
      "bucket": "provider-keys",
      "description": "Keys of model providers, wrapped.",
      "history": 1,
      "max_value_size": 65536,
      "max_age_s": 0,
      "allow_msg_ttl": false,
      "writers": [
        "gateway"
      ],
      "readers": [
        "gateway",
        "agent-executor"
      ]
    },
    {
      "bucket": "triggers",
      "description": "Outside events that start runs.",
      "history": 1,
      "max_value_size": 262144,
      "max_age_s": 0,
      "allow_msg_ttl": false,
      "writers": [
        "gateway"
      ],
      "readers": [
        "gateway",
        "run-scheduler"
      ]
    },
    {
      "bucket": "schedules",
      "description": "Times at which runs start (def.<tenant>.<schedule>), and what became of the last one (state.<tenant>.<schedule>).",
      "history": 1,
      "max_value_size": 262144,
      "max_age_s": 0,
      "allow_msg_ttl": false,
      "writers": [
        "gateway",
        "run-scheduler"
      ],
      "readers": [
        "gateway",
        "run-scheduler"
      ]
    },
    {
      "bucket": "webhooks",
      "description": "Endpoints that are told about runs.",
      "history": 1,
      "max_value_size": 65536,
      "max_age_s": 0,
      "allow_msg_ttl": false,
      "writers": [
        "gateway"
      ],
      "readers": [
        "gateway",
        "notifier"
      ]
    },
    {
      "bucket": "idempotency",
      "description": "The whole start commit by the hash of tenant, user and key; lives as long as its run.",
      "history": 1,
      "max_value_size": 524288,
      "max_age_s": 0,
      "allow_msg_ttl": false,
      "writers": [
        "gateway",
        "reconciler"
      ],
      "readers": [
        "gateway",
        "reconciler"
      ]
    },
    {
      "bucket": "admission",
      "description": "Runs that wait by <tenant>.<run>; who has a slot in the latest changes of `slots`. Can be rebuilt from RUNS.",
      "history": 64,
      "max_value_size": 1048576,
      "max_age_s": 0,
      "allow_msg_ttl": true,
      "writers": [
        "run-scheduler"
      ],
      "readers": [
        "run-scheduler",
        "reconciler"
      ]
    },
    {
      "bucket": "queue",
      "description": "Queue positions. Can be rebuilt from RUNS.",
      "history": 1,
      "max_value_size": 1048576,
      "max_age_s": 0,
      "allow_msg_ttl": false,
      "writers": [
        "run-scheduler"
      ],
      "readers": [
        "gateway",
        "run-scheduler"
      ]
    },
    {
      "bucket": "run-env",
      "description": "The env values of a start, sealed, by <tenant>.<run>; removed when the run ends.",
      "history": 1,
      "max_value_size": 524288,
      "max_age_s": 0,
      "allow_msg_ttl": false,
      "writers": [
        "gateway",
        "reconciler"
      ],
      "readers": [
        "gateway",
        "agent-executor",
        "reconciler"
      ]
    },
    {
      "bucket": "budget",
      "description": "Money reserved and spent, by root run.",
      "history": 1,
      "max_value_size": 262144,
      "max_age_s": 0,
      "allow_msg_ttl": false,
      "writers": [
        "agent-executor",
        "reconciler"
      ],
      "readers": [
        "gateway",
        "run-scheduler",
        "agent-executor",
        "reconciler"
      ]
    },
    {
      "bucket": "erased",
      "description": "Permanent tombstones of erased runs by <tenant>.<run>.",
      "history": 1,
      "max_value_size": 16384,
      "max_age_s": 0,
      "allow_msg_ttl": false,
      "writers": [
        "gateway",
        "reconciler"
      ],
      "readers": [
        "gateway",
        "run-scheduler",
        "agent-executor",
        "notifier",
        "reconciler"
      ]
    },
    {
      "bucket": "sessions",
      "description": "Sign-ins of people, by session id; the cookie's HMAC only.",
      "history": 1,
      "max_value_size": 16384,
      "max_age_s": 46800,
      "allow_msg_ttl": false,
      "writers": [
        "gateway"
      ],
      "readers": [
        "gateway"
      ]
    }
  ],
  "object_stores": [
    {
      "store": "blobs",
      "description": "Values over 64 KiB, by SHA-256.",
      "writers": [
        "gateway",
        "run-scheduler",
        "agent-executor",
        "reconciler"
      ],
      "readers": [
        "gateway",
        "run-scheduler",
        "agent-executor",
        "notifier",
        "reconciler"
      ]
    }
  ]
};
