import { AgentFailed, type AgentProcess, type Exit, type ProtocolViolation } from '@runledger/harness';

/** Whether the agent may see an error and go on; anything else ends the attempt. */
export function isForTheAgent(error: unknown): boolean {
  if (!(error instanceof AgentFailed)) return error instanceof Error && error.name === 'Error';
  return (
    error.code !== 'nondeterministic_agent' &&
    ['agent', 'provider', 'tool', 'input'].includes(error.failure.category)
  );
}

/** What is wrong with how a process ended; undefined when its result counts. */
export function exitFailure(exit: Exit, hasResult: boolean, child: AgentProcess): AgentFailed | undefined {
  if (exit.error)
    return failed(
      'agent_not_started',
      `the program could not be started: ${exit.error.message}`,
      'Correct the command of the agent definition.',
    );
  if (exit.code !== null && exit.code !== 0)
    return failed('agent_exit', `it exited with code ${exit.code}${printed(child)}`);
  if (child.breach !== undefined)
    return new AgentFailed({
      code: 'agent_over_limit',
      category: 'limit',
      title: 'The agent’s process used more than it may',
      detail: `${child.breach}, and was ended${printed(child)}`,
      remedy: 'Let the agent do with less, or raise RUNLEDGER_AGENT_MEMORY_MIB or RUNLEDGER_AGENT_PROCESSES.',
      retryable: false,
    });
  // A process that had given its result and would not go was ended from here.
  if (hasResult) return undefined;
  if (exit.signal) return failed('agent_killed', `it was ended by ${exit.signal}${printed(child)}`);
  return failed('agent_no_result', `it exited without a result${printed(child)}`);
}

export function violationFailure(violation: ProtocolViolation, child: AgentProcess): AgentFailed {
  return failed(
    'protocol_violation',
    `${violation.code}: ${violation.message}${printed(child)}`,
    'Let the agent write nothing but frames of the harness protocol to stdout.',
  );
}

function printed(child: AgentProcess): string {
  const tail = child.stderrTail().trim();
  return tail.length > 0 ? `; the end of its stderr:\n${tail}` : '';
}

function failed(code: string, detail: string, remedy = 'Look at what the agent printed last.'): AgentFailed {
  return new AgentFailed({
    code,
    category: 'agent',
    title: 'The agent’s process failed',
    detail,
    remedy,
    retryable: false,
  });
}
