/** Hosts that never lead off this machine. */
const loopback = /^(localhost|127\.\d+\.\d+\.\d+|::1|\[::1\])$/i

export const isLoopback = (host: string): boolean => loopback.test(host)

/** Why a host that is none is refused. */
export const notLoopback = (host: string): string =>
  `${host} is not a loopback address. Serving the drive to a network has to be allowed explicitly (--allow-remote).`
