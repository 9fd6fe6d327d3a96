/** Hosts that never lead off this machine. */
const loopback = /^(localhost|127\.\d+\.\d+\.\d+|::1|\[::1\])$/i

export const isLoopback = (host: string): boolean => loopback.test(host)
