/** How the folder of a child process begins, below the system's temporary folder. */
export const FOLDER_PREFIX = 'runledger-agent-';
